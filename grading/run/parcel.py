"""A submission for execution on another machine, and its result: both as JSON text, nothing pickled.

A parcel does not contain the course. A worker has it in a folder, identified by `digest`.
"""

import base64
import hashlib
import json
import math
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any

import nbformat
from nbformat import NotebookNode
from traitlets.config import Config

from grading.course import temporary_folders
from grading.course.errors import CourseError
from grading.course.folder import complete
from grading.execution.execute import Findings
from grading.run import pool
from grading.run.conversion import Converter
from grading.run.results import Executed
from grading.run.sanitizing import Sanitized
from grading.sandbox.bubblewrap import why_not

LARGEST = 400 * 2**20  # characters of a result: what is kept of outputs is far below
STATES = 1000  # entries that a list of findings has at most


class ParcelError(Exception):
    """A parcel could not be executed, or a result is not one; the message says what is wrong."""


# The course


def course_files(root: Path, assignments: list[str]) -> dict[str, bytes]:
    """The files of a course that a worker needs, by path: sources, releases and catalogues.

    Raises:
        CourseError: one of them is missing.
    """
    found: dict[str, bytes] = {}
    for name in assignments:
        complete(root, name, name)
        paths = [root / "mistakes" / f"{name}.toml"]
        for folder in (root / "source" / name, root / "release" / name):
            paths += [path for path in folder.rglob("*") if path.is_file() and ".ipynb_checkpoints" not in path.parts]
        found |= {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}
    return dict(sorted(found.items()))


def digest(files: dict[str, bytes], settings: dict[str, Any]) -> str:
    """The identity of a course: a hash of its files and of the settings with which submissions are executed."""
    whole = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for path, content in sorted(files.items()):
        whole.update(f"\0{path}\0{hashlib.sha256(content).hexdigest()}".encode("utf-8", "surrogateescape"))
    return whole.hexdigest()


def settings(config: Config) -> dict[str, Any]:
    """The settings with which submissions are executed, as plain data; the folder of the course is each worker's own.

    Raises:
        CourseError: one of them cannot be sent.
    """
    chosen: dict[str, Any] = {}
    for section, values in pool.execution_settings(config).items():
        for name, value in values.items():
            if (section, name) != ("CourseDirectory", "root"):
                try:
                    chosen.setdefault(section, {})[name] = json.loads(json.dumps(value))
                except (TypeError, ValueError):
                    raise CourseError(
                        f"c.{section}.{name} in nbgrader_config.py cannot be sent to another machine: it must be a "
                        f"number, a text, a list or a dict of these, and it is {value!r}. Grade without CLUSTER, or "
                        "change it."
                    ) from None
    return chosen


# On the worker


def pack(converter: Converter, sanitized: Sanitized, course: str) -> str:
    """A sanitized submission as JSON text.

    Args:
        course: its digest.

    Raises:
        CourseError: a setting cannot be sent.
    """
    folder = Path(sanitized.resources["metadata"]["path"])
    names = sanitized.resources["nbgrader"]
    files = {
        path.relative_to(folder).as_posix(): base64.b64encode(path.read_bytes()).decode()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink() and path.suffix != ".ipynb"
    }
    drawn_by = names["inputs"]
    parcel = {
        "course": course,
        "notebook": sanitized.notebook,
        "names": {name: names[name] for name in ("assignment", "notebook", "student")},
        "inputs": drawn_by.hex() if isinstance(drawn_by, bytes) else drawn_by,
        "files": files,
        "settings": settings(converter.course.config),
    }
    return json.dumps(parcel)


def execute(parcel: str, course_folder: str) -> str:
    """Execute a submission with the course in this folder; on one machine that may be the course itself.

    Returns:
        The executed notebook and what was found, for `opened`.

    Raises:
        CourseError: the folder lacks a part of the course.
        Exception: a fault of the grader; there is no result then.
    """
    told = json.loads(parcel)
    root = Path(course_folder).resolve()
    complete(root, told["names"]["assignment"], told["names"]["notebook"])
    config = Config(told["settings"])
    config.CourseDirectory.root = str(root)
    drawn_by = bytes.fromhex(told["inputs"]) if isinstance(told["inputs"], str) else told["inputs"]
    prefix = temporary_folders.prefix("parcel")
    with tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as folder:
        for path, content in told["files"].items():
            target = Path(folder) / inside(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(base64.b64decode(content))
        resources = {"nbgrader": {**told["names"], "inputs": drawn_by}, "metadata": {"path": folder}}
        executed = pool.execute(nbformat.from_dict(told["notebook"]), resources, config, str(root))
    isolated = config.Execute.get("sandbox") != "none" and why_not() is None
    return json.dumps({"notebook": executed.notebook, "findings": asdict(executed.findings), "isolated": isolated})


def inside(path: str) -> PurePosixPath:
    """The path of a file inside a folder.

    Raises:
        ParcelError: it is outside the folder.
    """
    relative = PurePosixPath(path)
    if relative.is_absolute() or ".." in relative.parts or not relative.parts:
        raise ParcelError(f"{path!r} leads out of the folder")
    return relative


# Back at the grader


def opened(result: str, sent: NotebookNode) -> Executed:
    """A result, checked: the notebook that was sent, with outputs and the grader's notes, and what was found.

    Nothing else of the notebook that came back is used, so cells, points and tests are those that were sent.

    Raises:
        ParcelError: it is no result of this notebook.
    """
    if not isinstance(result, str) or len(result) > LARGEST:
        raise ParcelError(f"a result is a text of at most {LARGEST} characters, and a worker sent something else")
    try:
        told = json.loads(result)
    except (ValueError, RecursionError) as error:
        raise ParcelError(f"a result is JSON, and a worker sent something else ({error})") from None
    _require(isinstance(told, dict) and told.keys() == {"notebook", "findings", "isolated"}, "its parts")
    _require(isinstance(told["isolated"], bool), "isolated")
    return Executed(_notebook(told["notebook"], sent), _findings(told["findings"]), told["isolated"])


def _notebook(told: Any, sent: NotebookNode) -> NotebookNode:
    """The notebook that was sent, with what was added to it."""
    _require(isinstance(told, dict) and isinstance(told.get("cells"), list), "the notebook")
    cells, notebook = told["cells"], nbformat.from_dict(sent)
    _require(len(cells) == len(notebook.cells), "the number of cells")
    language = told.get("metadata", {}).get("language_info") if isinstance(told.get("metadata"), dict) else None
    if language is not None:
        notebook.metadata.language_info = nbformat.from_dict(language)
    for cell, back in zip(notebook.cells, cells):
        same = isinstance(back, dict) and isinstance(back.get("metadata"), dict)
        same = same and all(back.get(name) == cell.get(name) for name in ("id", "cell_type", "source"))
        _require(same, "a cell")
        for name in ("tags", "grading"):
            cell.metadata.pop(name, None)
            if name in back["metadata"]:
                cell.metadata[name] = nbformat.from_dict(back["metadata"][name])
        _require(set(_texts(cell.metadata.get("grading", {}))) <= {"mistake", "fault"}, "a cell's notes")
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = nbformat.from_dict(back.get("outputs")), back.get("execution_count")
    try:
        nbformat.validate(notebook)
    except (nbformat.ValidationError, TypeError, AttributeError, KeyError) as error:
        raise ParcelError(f"the notebook that a worker sent is no notebook: {str(error)[:500]}") from None
    return notebook


def _findings(told: Any) -> Findings:
    _require(isinstance(told, dict) and told.keys() == asdict(Findings()).keys(), "the findings")
    for name in ("suspicions", "faults"):
        _require(_is_texts(told[name], STATES), name)
    troubles, seconds = told["troubles"], told["cell_seconds"]
    _require(isinstance(troubles, list) and len(troubles) <= STATES, "troubles")
    _require(all(_is_texts(one, 2) and len(one) == 2 for one in troubles), "troubles")
    _require(isinstance(seconds, dict), "cell_seconds")
    _require(all(type(value) in (int, float) and math.isfinite(value) for value in seconds.values()), "cell_seconds")
    pairs = [(state, words) for state, words in troubles]
    return Findings(pairs, told["suspicions"], told["faults"], seconds)


def _texts(told: Any) -> Iterator[str]:
    """The names in a cell's notes, all of whose values must be texts."""
    _require(isinstance(told, dict) and all(isinstance(value, str) for value in told.values()), "a cell's notes")
    yield from told


def _is_texts(told: Any, most: int) -> bool:
    return isinstance(told, list) and len(told) <= most and all(isinstance(text, str) for text in told)


def _require(right: object, part: str) -> None:
    if not right:
        raise ParcelError(f"the result that a worker sent is not one of this notebook: {part} is not as it should be")
