"""Recognize a notebook's assignment by the cells that only this assignment has."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

from grading.course import notebooks
from grading.course.folder import Course
from grading.intake import notebook_file

Mark = tuple[str, str]  # a cell's name, its id, or the text of one that students do not edit


@dataclass(frozen=True)
class Marks:
    """By assignment, what is in its notebook and in no other of the course."""

    own: dict[str, frozenset[Mark]]

    def assignment(self, path: Path) -> str | None:
        """The assignment of a notebook; None if it cannot be recognized or read."""
        try:
            found = _marks(notebook_file.read(path)[0].cells)
        except notebooks.NotebookError:
            return None
        counts = Counter({name: len(found & own) for name, own in self.own.items()})
        (first, most), (_, next_most) = [*counts.most_common(2), ("", 0), ("", 0)][:2]
        return first if most > next_most else None


def marks(course: Course) -> Marks:
    """Read every notebook of the course, as it was released if it was."""
    found = {}
    for name in course.assignments:
        release = course.root / "release" / name / f"{name}.ipynb"
        found[name] = _marks(notebooks.read(release if release.is_file() else course.source(name)).cells)
    shared = Counter(mark for own in found.values() for mark in own)
    return Marks({name: frozenset(mark for mark in own if shared[mark] == 1) for name, own in found.items()})


def _marks(cells: list[NotebookNode]) -> set[Mark]:
    found: set[Mark] = set()
    for cell in cells:
        # A notebook that lost its metadata is known by the text of its locked cells; students leave it as it is.
        text = (cell.source or "").strip()
        marks = (("name", notebooks.grade_id(cell)), ("id", cell.get("id")), ("text", text))
        found.update((kind, mark) for kind, mark in marks if mark)
    return found
