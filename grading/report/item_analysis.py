"""Item analysis: how hard an exercise or a test is, and whether it separates strong from weak students."""

import numpy as np

ENOUGH = 8  # below that many students a correlation says nothing


def difficulty(points: np.ndarray, full: float) -> float | None:
    """The mean share of the points that students get: 1 is easy, 0 is hard; None without students or points."""
    return float(np.mean(points) / full) if len(points) and full > 0 else None


def discrimination(points: np.ndarray, totals: np.ndarray) -> float | None:
    """The correlation of an item with the rest of the assignment (corrected item-total correlation).

    For a test that gives all or nothing this is the point-biserial correlation. The item's own points are taken out
    of the totals, else every item would correlate with itself. See Crocker and Algina, Introduction to Classical and
    Modern Test Theory, chapter 14.

    Args:
        points: of each student in the item, shape (n,).
        totals: of each student in the assignment, shape (n,).

    Returns:
        A number from -1 to 1; None where it says nothing: few students, or all alike.
    """
    rest = totals - points
    if len(points) < ENOUGH or np.ptp(points) == 0 or np.ptp(rest) == 0:
        return None
    return float(np.corrcoef(points, rest)[0, 1])


def in_words(points: np.ndarray, totals: np.ndarray, full: float) -> str:
    """What the discrimination of an item means to an instructor."""
    if not len(points):
        return "nobody has been graded"
    if np.all(points >= full):
        return "every student passes: it does not distinguish students"
    if np.all(points <= 0):
        return "no student passes: too hard, not reached, or wrong"
    if len(points) < ENOUGH:
        return f"too few students to say (fewer than {ENOUGH})"
    r = discrimination(points, totals)
    if r is None:
        return "all students are alike in the rest of the assignment"
    if r < 0:
        return "weaker students do better: look at it"
    if r < 0.2:
        return "hardly separates strong from weak students"
    return "separates strong from weak students" + (" well" if r >= 0.4 else "")
