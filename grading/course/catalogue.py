"""The catalogue `mistakes/<assignment>.toml`: wrong answers that students write, and right ones that look unusual.

It serves the tests of the tests, the sample class, the diagnosis in the feedback and the instructor's report.
"""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

from grading.course import notebooks


class CatalogueError(ValueError):
    """An entry is wrong; the message names the file and the entry."""


@dataclass(frozen=True)
class Entry:
    """One answer to one exercise.

    Attributes:
        name: short, names the defect or the style: "adam_skips_bias_correction".
        why: a sentence for the student (of a right answer: what is unusual about it).
        cell: the grade_id of the solution cell.
        source: the whole cell as that student wrote it.
        loses: the test cells that it must fail, exactly these; empty for a right answer.
        right: True for an unusual right answer.
    """

    name: str
    why: str
    cell: str
    source: str
    loses: tuple[str, ...]
    right: bool


def load(path: Path, notebook: NotebookNode) -> list[Entry]:
    """Read a catalogue against the source notebook that it belongs to.

    Raises:
        CatalogueError: lists every entry that names an unknown cell or test, whose `old` is not found exactly
            once, that lacks a field or repeats a name.
    """
    cells, errors, entries = notebooks.by_id(notebook), [], {}
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except tomllib.TOMLDecodeError as error:
        raise CatalogueError(f"{path}: {error}") from None
    for right, table in [(False, t) for t in tables.get("mistake", [])] + [(True, t) for t in tables.get("right", [])]:
        name = table.get("name", "an entry without a name")
        try:
            if name in entries:
                raise CatalogueError("the name is used twice")
            entries[name] = _entry(table, right, cells)
        except CatalogueError as error:
            errors.append(f"{path}: {name}: {error}")
    if errors:
        raise CatalogueError("\n".join(errors))
    return list(entries.values())


def _entry(table: dict, right: bool, cells: dict[str, NotebookNode]) -> Entry:
    missing = [key for key in ("name", "why", "cell") if key not in table]
    if missing:
        raise CatalogueError(f"lacks {', '.join(missing)}")
    if table["cell"] not in cells or notebooks.kind(cells[table["cell"]]) != "solution":
        raise CatalogueError(f"there is no solution cell {table['cell']}")
    loses = tuple(table.get("loses", ()))
    unknown = [test for test in loses if test not in cells or notebooks.kind(cells[test]) != "test"]
    if unknown:
        raise CatalogueError(f"there is no test cell {', '.join(unknown)}")
    if right == bool(loses):
        raise CatalogueError("a right answer loses nothing, a mistake loses at least one test")
    source = cells[table["cell"]].source
    if "source" in table:
        source = table["source"].strip("\n")
    else:
        edits = table.get("edits") or [{"old": table.get("old"), "new": table.get("new")}]
        for edit in edits:
            if edit.get("old") is None or edit.get("new") is None:
                raise CatalogueError("needs `old` and `new`, a list of `edits`, or a whole `source`")
            old, new = edit["old"].strip("\n"), edit["new"].strip("\n")
            if source.count(old) != 1:
                raise CatalogueError(f"its `old` stands {source.count(old)} times in the cell, not once: {old!r}")
            source = source.replace(old, new)
    return Entry(table["name"], " ".join(table["why"].split()), table["cell"], source, loses, right)


def stands_on_another(entry: Entry) -> bool:
    """Whether an answer is a subclass of another exercise's answer, so that its verdict depends on that one's."""
    return bool(re.search(r"^class \w+\((?!Optimizer\))", entry.source, re.MULTILINE))
