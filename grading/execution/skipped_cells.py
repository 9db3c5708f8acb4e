"""Which cells of a submission need not run: unchanged demonstrations."""

import re
from collections.abc import Sequence
from functools import lru_cache

from nbformat import NotebookNode

from grading.course import notebooks
from grading.course.python_source import makes, of_all, reads

WORD = re.compile(r"\w+")


def demonstrations(submitted: Sequence[NotebookNode], released: Sequence[NotebookNode]) -> set[str]:
    """The texts of cells that need not run, tagged as demonstrations in the release.

    Demonstrations are skipped only if all cells between the graded ones are as released, because a student's own cells
    may build on each other, and if no answer reads a name that only a demonstration defines.
    """
    free = [cell for cell in released if _is_free(cell)]
    if [cell.source for cell in free] != [cell.source for cell in submitted if _is_free(cell)]:
        return set()
    tagged = {cell.source for cell in free if notebooks.DEMONSTRATION in cell.metadata.get("tags", [])}
    answers = [cell.source for cell in submitted if notebooks.kind(cell) == "solution"]
    needed = _made_only_by(frozenset(tagged), frozenset(c.source for c in released if c.cell_type == "code"))
    read = of_all(reads, (answer for answer in answers if needed.intersection(WORD.findall(answer)))) & needed
    if read and read - of_all(makes, answers):
        return set()
    return tagged


@lru_cache(maxsize=8)
def _made_only_by(some: frozenset[str], cells: frozenset[str]) -> frozenset[str]:
    """The names that these cells define and the others do not."""
    return frozenset(of_all(makes, some) - of_all(makes, cells - some))


def _is_free(cell: NotebookNode) -> bool:
    return cell.cell_type == "code" and notebooks.kind(cell) is None and bool(cell.source.strip())
