"""Read a notebook from a student's file in any encoding or state, and list the repairs in plain words."""

import codecs
import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

from nbformat import NotebookNode

from grading.course import notebooks
from grading.course.notebooks import NotebookError
from grading.intake.merge_conflicts import MARKER, resolve

ENCODINGS = {  # of a file that begins so
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    b"{\0": "utf-16-le",
    b"\0{": "utf-16-be",
}
OTHERS = {  # what a file is that begins so, and what to do
    b"\x1f\x8b": "is compressed (gzip); unpack it",
    b"PK": "is an archive (zip); unpack it",
    b"7z\xbc\xaf": "is an archive (7z); unpack it",
    b"Rar!": "is an archive (rar); unpack it",
    b"%PDF": "is a PDF; ask for the notebook",
    b"{\\rtf": "is a word processor document (RTF); ask for the notebook",
    b"\x89PNG": "is a picture; ask for the notebook",
    b"\xff\xd8\xff": "is a picture; ask for the notebook",
    b"<": "is a web page; ask for the notebook",
    b"version https://git-lfs": "only points to a file in Git LFS; ask for the notebook",
}
HALF = re.compile("[\ud800-\udfff]")  # half of a surrogate pair, which UTF-8 cannot encode
MAX_CELLS = 5000  # no student's notebook has more
CELLS = {"cells", "worksheets"}  # where a notebook has its cells, today and in format 3
NBGRADER = ("grade_id", "grade", "solution", "locked", "task", "points", "schema_version")
SKIP = "skip-execution"  # the tag of a cell that a student does not want to run
AROUND = "\ufeff\0\x1a \t\r\n"  # what some programs leave before or after a text
AGAIN = "ask for it again, saved by Jupyter as .ipynb"


def read(path: Path) -> tuple[NotebookNode, list[str]]:
    """The notebook in a student's file, as nbformat 4, and the repairs.

    Outputs, and all metadata but nbgrader's, are dropped: nothing needs them. A source that is not text becomes None.

    Raises:
        NotebookError: there is none that can be read; the message says what the file holds and what to do.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise NotebookError(f"{path}: cannot be read ({error.strerror}); {AGAIN}") from None
    text, repairs = _text(path, data)
    if not _is_json(text) and (merged := resolve(text, _has_cells, longest=2_000_000)):
        text, repairs = merged.text, [*repairs, f"the file contained {merged.words}"]
    try:
        content, end = json.JSONDecoder().raw_decode(text)
    except RecursionError:
        raise NotebookError(f"{path}: is nested too deeply for a notebook; {AGAIN}") from None
    except ValueError as error:
        conflict = ", because of a merge conflict" if MARKER.search(text) else ""
        raise NotebookError(f"{path}: is not a notebook{conflict} ({_why(error, text)}); {AGAIN}") from None
    if end < len(text):
        repairs.append("text after the end of the notebook was ignored")
    if not isinstance(content, dict):
        raise NotebookError(f"{path}: is not a notebook (it is a list or a single value); {AGAIN}")
    if (number := _number_of_cells(content)) > MAX_CELLS:
        raise NotebookError(f"{path}: has {number:,} cells, and at most {MAX_CELLS:,} are read; {AGAIN}")
    if not isinstance(content.get("cells"), list):
        if "worksheets" in content:
            return notebooks.parse(text, path), repairs
        raise NotebookError(f"{path}: is not a notebook (it has no list of cells); {AGAIN}")
    cells = [_cell(cell) for cell in content["cells"] if isinstance(cell, dict)]
    if content["cells"] and not cells:
        raise NotebookError(f"{path}: is not a notebook (none of its cells is one); {AGAIN}")
    if len(cells) < len(content["cells"]):
        repairs.append(f"{len(content['cells']) - len(cells)} of the cells were none, and were left out")
    return NotebookNode(nbformat=4, nbformat_minor=5, metadata=NotebookNode(), cells=cells), repairs


def _number_of_cells(content: dict) -> int:
    """The number of cells, including those in the worksheets of format 3."""
    sheets = content.get("worksheets")
    parts = [content, *(sheets if isinstance(sheets, list) else [])]
    cells = (part.get("cells") for part in parts if isinstance(part, dict))
    return sum(len(found) for found in cells if isinstance(found, list))


def _why(error: ValueError, text: str) -> str:
    """Why a text is no JSON, in plain words."""
    if not isinstance(error, json.JSONDecodeError):
        return str(error)
    if error.pos == 0:
        return f"it begins with {text[:20]!r}"
    if error.pos >= len(text) or error.msg.startswith("Unterminated string"):
        return f"it ends in the middle, or is damaged, from line {error.lineno} on"
    return f"it is damaged at line {error.lineno}, near {text[max(0, error.pos - 10) : error.pos + 10]!r}"


def _text(path: Path, data: bytes) -> tuple[str, list[str]]:
    if not data.strip(b"\0 \t\r\n"):
        raise NotebookError(f"{path}: is empty; {AGAIN}")
    begins = data[:99].lstrip(codecs.BOM_UTF8 + b" \t\r\n")
    for beginning, words in OTHERS.items():
        if begins.startswith(beginning) and not MARKER.match(begins.decode("latin-1")):
            raise NotebookError(f"{path}: {words}")
    encoding = next((name for beginning, name in ENCODINGS.items() if data.startswith(beginning)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        text = data.decode(encoding, "replace")
        bad = text.count("\ufffd")
        if bad < sum(character > "\x7f" for character in text) / 2:
            words = f"{bad} of the file's characters were not valid {encoding.upper()} and were replaced by \ufffd"
            return text.strip(AROUND), [words]
        for other in ("cp1252", "latin-1"):  # Windows', in which an ellipsis is what would end a line in the other
            with contextlib.suppress(UnicodeDecodeError):
                if _is_json(text := data.decode(other)):
                    return text, [f"the file is not in UTF-8 and was read as {other}"]
        raise NotebookError(f"{path}: is not {encoding.upper()} text (byte {error.start}); {AGAIN}") from None
    repairs = [] if encoding == "utf-8" else [f"the file was written in {encoding[:6].upper()}"]
    return text.strip(AROUND), repairs


def _cell(cell: dict) -> NotebookNode:
    """A cell with the parts that count, each of the kind that it should be."""
    source, metadata, attachments = cell.get("source", cell.get("input")), cell.get("metadata"), cell.get("attachments")
    if isinstance(source, list):
        lines = list(_lines(source))
        between = "" if any(line.endswith("\n") for line in lines[:-1]) else "\n"  # some tools leave out the ends
        source = between.join(lines) if lines or not source else None
    data = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    kept = NotebookNode()
    if isinstance(data, dict):
        plain = {key: value for key, value in data.items() if not isinstance(value, (list, dict))}
        kept.nbgrader = NotebookNode({key: plain[key] for key in NBGRADER if key in plain})
    tags = metadata.get("tags") if isinstance(metadata, dict) else None
    if isinstance(tags, list) and SKIP in tags:
        kept.tags = [SKIP]
    kind = cell.get("cell_type")
    repaired = NotebookNode(cell_type=kind.lower() if isinstance(kind, str) else kind, metadata=kept)
    repaired.source = source if isinstance(source, str) else None
    if isinstance(cell.get("id"), str):
        repaired.id = cell["id"]
    if repaired.cell_type == "markdown" and isinstance(attachments, dict):
        repaired.attachments = NotebookNode(
            {name: NotebookNode(kinds) for name, kinds in attachments.items() if _is_attachment(name, kinds)}
        )
    return repaired


def _lines(source: list) -> Iterator[str]:
    """The texts in a list, and in lists in it."""
    for line in source:
        if isinstance(line, str):
            yield line
        elif isinstance(line, list):
            yield from (text for text in line if isinstance(text, str))


def _is_attachment(name: str, kinds: object) -> bool:
    """Whether a value is a picture: base64 text, or several texts by MIME type."""
    if not isinstance(kinds, dict) or not kinds or not all(isinstance(text, str) for text in kinds.values()):
        return False
    return not any(HALF.search(text) for text in (name, *kinds, *kinds.values()))


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _has_cells(text: str) -> bool:
    return _is_json(text) and isinstance(content := json.loads(text), dict) and not content.keys().isdisjoint(CELLS)
