"""Give a submitted notebook the structure of the release, whatever a student did to it.

It is the first sanitizer in `nbgrader_config.py`. nbgrader itself restores the text of tests, but stops at many a
changed piece of metadata; after this there is none.
"""

import ast
import re
import warnings
from copy import deepcopy
from pathlib import Path

from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor

from grading import notebooks
from grading.submission import without_conflicts

HALF = re.compile("[\ud800-\udfff]")  # half of a character in UTF-16, which no file can hold


class Restore(NbGraderPreprocessor):
    """Set each cell's type, id and metadata as in the release, put missing cells back and cells in order.

    What was repaired is noted, in plain words, in `resources["nbgrader"]["repairs"]`.
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
    """Delete what nbgrader has copied from symbolic links in a submission; what was deleted, in plain words.

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
    wanted = {notebooks.grade_id(cell): cell for cell in released if notebooks.grade_id(cell)}
    found, repairs = {}, []
    for index, cell in enumerate(submitted):
        name = _name(cell)
        if name in wanted:
            if name in found:
                repairs.append(f"the cell {name} was there twice, the last one counts")
            found[name] = index  # as for nbgrader, the last cell of a name is the student's
    places = {index: name for name, index in found.items()}
    after: dict[str | None, list[NotebookNode]] = {None: []}  # a student's own cells, by the cell that they follow
    last, own = None, {}
    for index, cell in enumerate(submitted):
        name = places.get(index)
        if HALF.search(str(cell.get("source"))):
            repairs.append(f"halves of characters in {name or f'cell {index + 1}'} were replaced by \ufffd")
        if name is None:
            after[last].append(_fresh(cell, f"own-{index}"))
            continue
        own[name] = _like(wanted[name], cell)
        if cell.get("cell_type") != wanted[name].cell_type:
            repairs.append(f"the cell {name} had become a {cell.get('cell_type')} cell")
        if _conflict(cell) is not None:
            repairs.append(f"the cell {name} held a merge conflict, of which the first version was kept")
        if _settings(cell) != _settings(wanted[name]):
            repairs.append(f"points or settings of the cell {name} had been changed")
        after[name], last = [], name
    missing = [name for name in wanted if name not in own]
    if missing:
        repairs.append(f"missing cells were put back: {', '.join(missing)}")
    if list(own) != [name for name in wanted if name in own]:
        repairs.append("cells were put back in order")
    cells = after[None]
    for name, model in wanted.items():
        cells = [*cells, own.get(name) or _like(model, model), *after.get(name, [])]
    return cells, repairs


def _name(cell: NotebookNode) -> str | None:
    metadata = cell.get("metadata")
    data = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    name = data.get("grade_id") if isinstance(data, dict) else None
    return name if isinstance(name, str) else None


def _settings(cell: NotebookNode) -> dict:
    keys = ("grade", "solution", "locked", "task", "points", "schema_version")
    data = cell.metadata.get("nbgrader", {})
    return {key: data[key] for key in keys if key in data}


def _text(cell: NotebookNode) -> str | None:
    """The source of a cell that Python and files can hold; None if it is no text."""
    source = cell.get("source")
    if not isinstance(source, str):
        return None
    merged = _conflict(cell)
    source = (source if merged is None else merged).replace("\r\n", "\n").replace("\r", "\n")
    return HALF.sub("\ufffd", source)


def _conflict(cell: NotebookNode) -> str | None:
    """The first version of a code cell that holds a merge conflict and so cannot run; None for any other cell."""
    if cell.get("cell_type") != "code" or not isinstance(cell.get("source"), str):
        return None
    return without_conflicts(cell.source.replace("\r\n", "\n"), _is_python)


def _is_python(source: str) -> bool:
    try:
        with warnings.catch_warnings(action="ignore"):
            ast.parse(TransformerManager().transform_cell(source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _fresh(cell: NotebookNode, name: str) -> NotebookNode:
    """A cell of the student's own: its text, and nothing else."""
    kind = cell.get("cell_type") if cell.get("cell_type") in ("code", "markdown", "raw") else "raw"
    fresh = NotebookNode(id=name, cell_type=kind, source=_text(cell) or "", metadata=NotebookNode())
    if kind == "code":
        fresh.outputs, fresh.execution_count = [], None
    return fresh


def _like(model: NotebookNode, cell: NotebookNode) -> NotebookNode:
    """The student's text in a cell that is otherwise the released one."""
    fresh = NotebookNode(model)
    fresh.metadata = deepcopy(model.metadata)
    source = _text(cell)
    fresh.source = model.source if source is None else source
    if fresh.cell_type == "code":
        fresh.outputs, fresh.execution_count = [], None
    return fresh
