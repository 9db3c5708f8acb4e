"""Rubrics: for each question that a person grades, items with points and a sentence, in `rubrics/<assignment>.toml`.

    [[why_momentum]]
    points = 1
    text = "Says that steps along the valley add up."

    [[why_momentum]]
    points = -0.5
    text = "Confuses the gradient with the step."

The key is the grade_id of the question. The student reads the sentences of the items that apply. An item with 0 points
is a remark.
"""

import re
import tomllib
from dataclasses import dataclass

from grading.course.errors import CourseError
from grading.course.folder import Course

ITEM = re.compile(r"^- (?:\*\*([+-][\d.]+)\*\*)?", re.MULTILINE)  # see `Item.__str__`


@dataclass(frozen=True)
class Item:
    """A line of a rubric.

    Attributes:
        points: what it adds; below 0 what it takes off.
        text: one line.
    """

    points: float
    text: str

    def __str__(self) -> str:
        """As it is written into a comment, in Markdown."""
        return f"- **{self.points:+g}** {self.text}" if self.points else f"- {self.text}"


def load(course: Course, assignment: str) -> dict[str, list[Item]]:
    """The items of each question; empty if there is no such file.

    Raises:
        CourseError: the file is no TOML, or an item is not a number and a text, or occurs twice; all faults are listed.
    """
    path = course.root / "rubrics" / f"{assignment}.toml"
    where = path.relative_to(course.root)
    try:
        read = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise CourseError(f"{where}: cannot be read: {error}") from None
    faults: list[str] = []
    found: dict[str, list[Item]] = {}
    for question, items in read.items():
        if not isinstance(items, list):
            faults.append(f"{where}: write each item of {question} as [[{question}]], with points and text")
            continue
        own = found.setdefault(question, [])
        for number, item in enumerate(items, start=1):
            made = _item(item)
            if made is None:
                faults.append(
                    f'{where}: item {number} of {question} should have points = <number> and text = "<sentence>"'
                )
            elif made.text in [other.text for other in own]:
                faults.append(f"{where}: two items of {question} have the same text: {made.text}")
            else:
                own.append(made)
    if faults:
        raise CourseError("\n".join(faults))
    return found


def _item(item: object) -> Item | None:
    if not isinstance(item, dict) or set(item) != {"points", "text"}:
        return None
    points, text = item["points"], item["text"]
    number = isinstance(points, int | float) and not isinstance(points, bool) and abs(points) < float("inf")
    if not number or not isinstance(text, str) or not text.strip():
        return None
    return Item(float(points), " ".join(text.split()))


def points(items: list[Item], full: float) -> float:
    """What the items give together: not below 0, and not more than the question."""
    return min(full, max(0.0, sum(item.points for item in items)))


def comment(items: list[Item], remark: str) -> str:
    """What the student reads, in Markdown: the items that apply, then the grader's own words."""
    lines = "\n".join(map(str, items))
    return "\n\n".join(part for part in (lines, remark.strip()) if part)


def plain(text: str) -> str:
    """A comment without the Markdown of its items, for a place that shows plain text."""
    return ITEM.sub(r"\1", text)


def parts(text: str, items: list[Item]) -> tuple[list[Item], str]:
    """The items and the grader's own words of a comment, see `comment`; an item that the rubric lost is own words."""
    known = {str(item): item for item in items}
    chosen = []
    lines = text.split("\n")
    while lines and lines[0] in known:
        chosen.append(known[lines.pop(0)])
    return chosen, "\n".join(lines).strip()
