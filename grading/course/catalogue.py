"""The catalogue `mistakes/<assignment>.toml`: wrong answers that students write, and right ones that look unusual.

It serves the tests of the tests, the sample class, the diagnosis in the feedback and the instructor's report.

Each exercise has a contract, the promises of its docstring and task text as numbered sentences. A mistake names the
sentence that it breaks, and keeps all others:

    [contract.mean]
    1 = "`mean(values)` returns the sum of the values, divided by their number."
    2 = "`values` is left as it is."

    [[mistake]]
    name = "mean_forgets_to_divide"
    breaks = 1
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
        breaks: the number of the contract's sentence that a mistake breaks; None where that is not said.
        sentence: the words of that sentence; empty if `breaks` is None.
    """

    name: str
    why: str
    cell: str
    source: str
    loses: tuple[str, ...]
    right: bool
    breaks: int | None = None
    sentence: str = ""

    def told(self) -> list[str]:
        """The mistake in lines for the student who made it."""
        lines = [f"A likely mistake: {self.why}"]
        return lines + ([f"It breaks this sentence of the contract: {self.sentence}"] if self.sentence else [])


def load(path: Path, notebook: NotebookNode) -> list[Entry]:
    """Read a catalogue against the source notebook that it belongs to.

    Raises:
        CatalogueError: lists every entry that names an unknown cell, test or sentence, whose `old` is not found
            exactly once, that lacks a field or repeats a name; and every contract whose cell or numbers are wrong.
    """
    cells, errors, entries = notebooks.by_id(notebook), [], {}
    tables = _tables(path)
    agreed = tables.get("contract", {})
    errors += [f"{path}: contract.{cell}: {words}" for cell in agreed for words in _faults(cell, agreed[cell], cells)]
    for right, table in [(False, t) for t in tables.get("mistake", [])] + [(True, t) for t in tables.get("right", [])]:
        name = table.get("name", "an entry without a name")
        try:
            if name in entries:
                raise CatalogueError("the name is used twice")
            entries[name] = _entry(table, right, cells, agreed.get(table.get("cell"), {}))
        except CatalogueError as error:
            errors.append(f"{path}: {name}: {error}")
    if errors:
        raise CatalogueError("\n".join(errors))
    return list(entries.values())


def contracts(path: Path) -> dict[str, dict[int, str]]:
    """The numbered sentences of each exercise, by grade_id, from a catalogue that `load` accepts."""
    agreed = _tables(path).get("contract", {})
    return {cell: {int(n): _line(words) for n, words in sentences.items()} for cell, sentences in agreed.items()}


def _tables(path: Path) -> dict:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except tomllib.TOMLDecodeError as error:
        raise CatalogueError(f"{path}: {error}") from None


def _faults(cell: str, sentences: dict[str, str], cells: dict[str, NotebookNode]) -> list[str]:
    """What is wrong with one contract."""
    if not isinstance(sentences, dict) or not all(isinstance(words, str) for words in sentences.values()):
        return ["it should be a table of numbers and sentences"]
    faults = []
    if cell not in cells or notebooks.kind(cells[cell]) != "solution":
        faults.append("there is no such solution cell")
    if list(sentences) != [str(n) for n in range(1, len(sentences) + 1)]:
        faults.append("its sentences should be numbered 1, 2, 3, ... in order")
    return faults


def _line(words: str) -> str:
    return " ".join(words.split())


def _entry(table: dict, right: bool, cells: dict[str, NotebookNode], contract: dict[str, str]) -> Entry:
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
    breaks = table.get("breaks")
    if right and breaks is not None:
        raise CatalogueError("a right answer breaks no sentence of the contract")
    if breaks is not None and str(breaks) not in contract:
        raise CatalogueError(f"it breaks sentence {breaks}, which the contract of {table['cell']} does not have")
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
                raise CatalogueError(
                    f"its `old` must occur once in the cell, but occurs {source.count(old)} times: {old!r}"
                )
            source = source.replace(old, new)
    sentence = _line(contract.get(str(breaks), ""))
    return Entry(table["name"], _line(table["why"]), table["cell"], source, loses, right, breaks, sentence)


def subclasses_another_answer(entry: Entry) -> bool:
    """Whether an answer subclasses another exercise's answer, so that its verdict depends on that answer."""
    return bool(re.search(r"^class \w+\((?!Optimizer\))", entry.source, re.MULTILINE))
