"""What a cluster costs on top of grading: the same class on one machine, and through a scheduler on the same cores."""

from collections.abc import Callable

from rich.table import Table

from grading.benchmark.comparison import class_of, command_line, mixed_class
from grading.benchmark.measure import Cost, measure
from grading.course.folder import Course


def run(
    course: Course, assignment: str, sizes: list[int], jobs: int, said: Callable[[str], None] = lambda words: None
) -> dict[int, tuple[Cost, Cost]]:
    """Grade classes of these sizes in both ways.

    Args:
        jobs: how many submissions are graded at the same time, in both.

    Returns:
        By size, what one machine and what the cluster took, each with its start.
    """
    students = mixed_class(course, assignment, max(sizes))
    ways = {"one machine": ("--jobs", str(jobs)), f"local:{jobs}": ("--cluster", f"local:{jobs}")}
    costs = {}
    for size in sorted(sizes):
        folder = course.root / "build" / "bench"
        classes = [class_of(course, folder / f"way-{n}-{size}", assignment, students[:size]) for n in range(len(ways))]
        taken = []
        for own, (way, options) in zip(classes, ways.items()):
            said(f"{assignment}: {size} submissions, {way}, {jobs} at once")
            taken.append(measure(command_line("grade", assignment, *options), own.root))
        costs[size] = taken[0], taken[1]
    return costs


def table(assignment: str, costs: dict[int, tuple[Cost, Cost]]) -> Table:
    """Seconds for each size, and in the last row for one more submission: without the start, which is paid once."""
    made = Table("submissions", "one machine", "cluster", "more", "processor", "processor, cluster", title=assignment)
    rows = {str(size): (here.wall, there.wall, here.cpu, there.cpu) for size, (here, there) in costs.items()}
    if len(costs) > 1:
        first, *_, last = costs
        each = [(b - a) / (last - first) for a, b in zip(rows[str(first)], rows[str(last)])]
        rows["each more"] = each[0], each[1], each[2], each[3]
    for name, (here, there, *cpu) in rows.items():
        made.add_row(name, _told(here), _told(there), f"{there / here - 1:+.0%}", *map(_told, cpu))
    return made


def _told(seconds: float) -> str:
    return f"{seconds:.2f} s"
