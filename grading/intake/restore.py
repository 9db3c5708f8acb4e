"""Give a submitted notebook the structure of the release, whatever a student did to it.

It is the first sanitizer in `nbgrader_config.py`. nbgrader restores the text of tests, but raises an error for many
changes of metadata. This module undoes those first.
"""

import re
from copy import deepcopy
from itertools import chain
from pathlib import Path

from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor

from grading.course import notebooks
from grading.course.python_source import BY_HAND, MUCH, is_python, makes, meaning, of_all, reads
from grading.intake.merge_conflicts import resolve
from grading.intake.notebook_file import HALF, SKIP

FEW = 0.25  # of the released cells: a notebook that has fewer may be another one
TOLD = 8  # names of cells in one sentence
# Without bounds, a text full of "![" would take its length squared.
ATTACHED = re.compile(r"!\[[^\]]{0,1000}+\]\(attachment:([^)\s]{0,1000}+)[^)]{0,1000}+\)")
STRAY = re.compile("[\0\ufeff]")  # no Python, and nobody sees them


class Restore(NbGraderPreprocessor):
    """Set each cell's type, id and metadata as in the release, put missing cells back and cells in order.

    `resources["nbgrader"]["repairs"]` gets the repairs, in plain words.
    """

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        names = resources["nbgrader"]
        root = Path(self.config.CourseDirectory.get("root", "."))
        links = []
        if "gradebook" not in names:  # `make grade` copies no link, see `Submission.copy_files`; nbgrader does
            links = _without_links(root, names["student"], names["assignment"], f"{names['notebook']}.ipynb")
        path = root / "release" / names["assignment"] / f"{names['notebook']}.ipynb"
        if path.is_file():
            released = notebooks.read_once(path)
            nb.cells, repairs = restored(nb.cells, released.cells)
            names["repairs"] = [*links, *repairs]
            nb.metadata = deepcopy(released.metadata)
            nb.nbformat, nb.nbformat_minor = released.nbformat, released.nbformat_minor
        return nb, resources


def _without_links(root: Path, student: str, assignment: str, notebook: str) -> list[str]:
    """Delete what nbgrader has copied from symbolic links in a submission, and return a list of it in plain words.

    A link could point at the solutions, or at another student's work.

    Raises:
        NotebookError: the folder or the notebook is one.
    """
    folder = root / "submitted" / student / assignment
    repairs = []
    for path in [folder, *sorted(folder.rglob("*"))]:
        if not path.is_symlink():
            continue
        if path in (folder, folder / notebook):
            raise notebooks.NotebookError(
                f"{path}: is a symbolic link, which is never followed; ask for the file itself"
            )
        inner = path.relative_to(folder)
        copy = root / "autograded" / student / assignment / inner
        if copy.is_file() and not (root / "source" / assignment / inner).is_file():  # else it is the course's own
            copy.unlink()
            repairs.append(f"the symbolic link {path.name} was left out")
    return repairs


def restored(submitted: list[NotebookNode], released: list[NotebookNode]) -> tuple[list[NotebookNode], list[str]]:
    """The student's cells in the structure of the release, and what had to be repaired."""
    wanted: dict[str, NotebookNode] = {name: cell for cell in released if (name := notebooks.grade_id(cell))}
    repairs = _Repairs()
    texts = []
    for index, cell in enumerate(submitted):
        model = wanted.get(_name(cell) or "")
        kind = cell.get("cell_type") if model is None else model.cell_type
        texts.append(_text(cell, kind, _name(cell) or f"cell {index + 1}", repairs))
    places, left_out = _places(submitted, texts, wanted, repairs)
    if not submitted:
        repairs.add("it has no cells")
    elif len(places) < FEW * len(wanted) and not any(notebooks.kind(wanted[p]) == "solution" for p in places.values()):
        repairs.add(f"it has {len(places)} of the release's {len(wanted)} cells, so it may be the wrong notebook")
    moved = _answers_in_locked_cells(texts, places, left_out, wanted)
    homes = _homes(texts, places, list(wanted))
    after: dict[str | None, list[NotebookNode]] = {name: [] for name in (None, *wanted)}  # own cells that follow it
    own = {}
    for index, cell in enumerate(submitted):
        name = places.get(index)
        if index in left_out:
            continue
        if name is None:
            after[homes[index]].append(_fresh(cell, texts[index], f"own-{index}"))
            continue
        if index in moved:
            after[homes[index]].append(_fresh(NotebookNode(cell_type="code"), texts[index], f"own-{index}"))
            repairs.add("answers in locked cells were moved before them", name)
        own[name] = _like(wanted[name], None if index in moved else texts[index])
        if cell.get("cell_type") != wanted[name].cell_type:
            kind = cell.get("cell_type")
            kind = kind if kind in ("code", "markdown", "raw") else "an unknown type"
            repairs.add(f"cells changed to {kind} were changed back", name)
        if "nbgrader" in cell.metadata and _settings(cell) != _settings(wanted[name]):
            repairs.add("changed points or settings were reset", name)
    missing = [name for name in wanted if name not in own]
    written = set()
    if any(notebooks.kind(wanted[name]) == "solution" for name in missing):
        cells = [*own.values(), *chain(*after.values())]
        written = of_all(makes, (cell.source for cell in cells if cell.cell_type == "code"))
    for name in missing:
        repairs.add("missing cells were restored", name)
    if list(own) != [name for name in wanted if name in own]:
        repairs.add("the order of cells was restored")
    cells = after[None]
    for name, model in wanted.items():
        cells = [*cells, own.get(name) or _put_back(model, written), *after[name]]
    return cells, repairs.told()


def is_untouched(notebook: NotebookNode, released: NotebookNode) -> bool:
    """Whether every gap of a restored notebook is as empty as it was released."""
    models = notebooks.by_id(released)
    gaps = {name: cell for name, cell in notebooks.by_id(notebook).items() if notebooks.kind(cell) == "solution"}
    return all(_same(cell.source, models[name]) for name, cell in gaps.items())


class _Repairs:
    """What was repaired: each kind once, with the names of the cells."""

    def __init__(self) -> None:
        self.names: dict[str, list[str | None]] = {}

    def add(self, words: str, name: str | None = None) -> None:
        self.names.setdefault(words, []).append(name)

    def told(self) -> list[str]:
        told = []
        for words, names in self.names.items():
            named = [name for name in dict.fromkeys(names) if name is not None]
            more = f" and {len(named) - TOLD} more" if len(named) > TOLD else ""
            told.append(f"{words}: {', '.join(named[:TOLD])}{more}" if named else words)
        return told


def _places(
    submitted: list[NotebookNode], texts: list[str | None], wanted: dict[str, NotebookNode], repairs: _Repairs
) -> tuple[dict[int, str], set[int]]:
    """Match submitted cells with released ones, by index, and find those that are mere copies of released cells.

    A cell is recognized by its grade_id or, without metadata, by its Jupyter id or, if it is locked, by its text. Of
    duplicate cells, the last one before the next released cell counts, because that is what its test saw; but an
    unchanged gap does not.
    """
    found: dict[str, list[int]] = {}
    for index, cell in enumerate(submitted):
        if (known := _name(cell)) in wanted:
            found.setdefault(known, []).append(index)
    by_id = {cell.id: name for name, cell in wanted.items() if name not in found and "id" in cell}
    for index, cell in enumerate(submitted):
        name = by_id.get(cell.get("id")) if _name(cell) not in wanted else None
        if name is not None and name not in found:
            found[name] = [index]
            repairs.add("cells without names, recognized by their ids", name)
    texts_of = {cell.source.strip(): name for name, cell in wanted.items() if notebooks.kind(cell) in ("given", "test")}
    for index, text in enumerate(texts):
        name = texts_of.get((text or "").strip()) if _name(submitted[index]) not in wanted else None
        if name is not None and name not in found:
            found[name] = [index]
            repairs.add("cells without names, recognized by their texts", name)
    places, left_out, order = {}, set(), list(wanted)
    for name, indices in found.items():
        if len(indices) > 1:
            repairs.add("duplicate cells, of which the last one in place counts", name)
            untouched = {index for index in indices if _same(texts[index], wanted[name])}
            left_out |= untouched if len(untouched) < len(indices) else set(indices[:-1])
        copies = [index for index in indices if index not in left_out]
        later = next((found[other] for other in order[order.index(name) + 1 :] if other in found), [len(submitted)])
        places[([index for index in copies if index < later[-1]] or copies)[-1]] = name
    return places, left_out


def _answers_in_locked_cells(
    texts: list[str | None], places: dict[int, str], left_out: set[int], wanted: dict[str, NotebookNode]
) -> set[int]:
    """The submitted copies of locked cells that define names which others read and no other cell defines.

    That comes from cells that were merged, or whose names were mixed up. The text of the locked cell replaces theirs.
    """
    locked = {index for index, name in places.items() if notebooks.kind(wanted[name]) in ("given", "test")}
    changed = {index for index in locked if (texts[index] or "").strip() != wanted[places[index]].source.strip()}
    if not changed:  # as in most notebooks
        return set()
    others = [index for index in range(len(texts)) if index not in locked | left_out]
    written = [texts[i] or "" for i in others if i not in places or not _same(texts[i], wanted[places[i]])]
    given = [cell.source for cell in wanted.values() if cell.cell_type == "code" and notebooks.kind(cell) != "solution"]
    known, read = of_all(makes, [*written, *given]), of_all(reads, [*written, *given])
    return {index for index in changed if (makes(texts[index] or "") - known) & read and is_python(texts[index] or "")}


def _homes(texts: list[str | None], places: dict[int, str], order: list[str]) -> list[str | None]:
    """For each of the student's own cells, the released cell after which it belongs; None: at the top.

    That is the released cell above it. If the released cell below moves further up, this cell moves with it, because
    that cell may need it; except if it depends on cells that would then follow it.
    """
    rank = {name: number for number, name in enumerate(order)}
    ranks = [rank[places[index]] if index in places else None for index in range(len(texts))]
    nearest, below = [], len(order)
    for here in reversed(ranks):
        nearest.append(below)
        below = below if here is None else here
    homes: list[str | None] = []
    above: list[tuple[int, str]] = []
    home, read = -1, 0
    for text, here, below in zip(texts, ranks, reversed(nearest), strict=True):
        own = home
        if below - 1 < home and here is None:
            made = of_all(makes, (other for number, other in above if number >= below))
            read += len(text or "")
            own = home if read <= MUCH and made & reads(text or "") else below - 1
        homes.append(order[own] if own >= 0 else None)
        if here is not None:
            home = here
            above.append((here, text or ""))
    return homes


def _same(text: str | None, model: NotebookNode) -> bool:
    """Whether a cell is unchanged: its code is equivalent to the released code."""
    return text is None or text.strip() == model.source.strip() or meaning(text) == meaning(model.source)


def _name(cell: NotebookNode) -> str | None:
    metadata = cell.get("metadata")
    data = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    name = data.get("grade_id") if isinstance(data, dict) else None
    return name if isinstance(name, str) else None


def _settings(cell: NotebookNode) -> dict:
    keys = ("grade", "solution", "locked", "task", "points", "schema_version")
    data = cell.metadata.get("nbgrader", {})
    return {key: data[key] for key in keys if key in data}


def _text(cell: NotebookNode, kind: str | None, name: str, repairs: _Repairs) -> str | None:
    """The source of a cell as Python and files can hold it, without a merge conflict; None if it is no text."""
    source = cell.get("source")
    if not isinstance(source, str):
        repairs.add("cells without text", name)
        return None
    source = source.replace("\r\n", "\n").replace("\r", "\n")
    if HALF.search(source):
        repairs.add("cells with broken characters, which were replaced by \ufffd", name)
        source = HALF.sub("\ufffd", source)
    if kind == "code" and len(source) <= BY_HAND:
        if STRAY.search(source) and not is_python(source):
            repairs.add("cells with invisible characters, which were removed", name)
            source = STRAY.sub("", source)
        if merged := resolve(source, is_python):
            repairs.add(f"cells with {merged.words}", name)
            source = merged.text
    return source


def _fresh(cell: NotebookNode, text: str | None, name: str) -> NotebookNode:
    """A cell of the student's own: its text, its pictures, and nothing else."""
    kind = cell.get("cell_type") if cell.get("cell_type") in ("code", "markdown", "raw") else "raw"
    fresh = NotebookNode(id=name, cell_type=kind, source=text or "", metadata=NotebookNode())
    if kind == "code":
        fresh.outputs, fresh.execution_count = [], None
        if SKIP in cell.get("metadata", {}).get("tags", []):
            fresh.metadata.tags = [SKIP]
    if kind == "markdown":
        pictures = cell.get("attachments") or {}
        if pictures:
            fresh.attachments = pictures
        # Without its picture such a link would stop the feedback page.
        fresh.source = ATTACHED.sub(lambda link: link[0] if link[1] in pictures else "(missing picture)", fresh.source)
    return fresh


def _like(model: NotebookNode, text: str | None) -> NotebookNode:
    """The student's text in a cell that is otherwise the released one."""
    fresh = NotebookNode(model)
    fresh.metadata = deepcopy(model.metadata)
    fresh.source = model.source if text is None else text
    if fresh.cell_type == "code":
        fresh.outputs, fresh.execution_count = [], None
    return fresh


def _put_back(model: NotebookNode, written: set[str]) -> NotebookNode:
    """A missing cell as released, except that an empty gap must not redefine names of the student's other cells."""
    names = sorted(makes(model.source) & written) if notebooks.kind(model) == "solution" else []
    return _like(model, f"# This cell was missing; {', '.join(names)}: see another cell." if names else None)
