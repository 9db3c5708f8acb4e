"""Files as students hand them in: read where anything can be read, and named in plain words where not."""

import gzip
import json

import pytest

from grading.course.notebooks import NotebookError, grade_id
from grading.intake import notebook_file
from tests.conftest import RIGHT, cell
from tests.intake.test_merge_conflicts import conflict

GOOD = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {},
    "cells": [dict(cell(RIGHT, "solution", "mean")), {"cell_type": "markdown", "source": ["a\n", "b"], "metadata": {}}],
}
TEXT = json.dumps(GOOD, indent=1)


def read(tmp_path, data: bytes):
    path = tmp_path / "averages.ipynb"
    path.write_bytes(data)
    notebook, repairs = notebook_file.read(path)
    assert path.read_bytes() == data
    return notebook, repairs


@pytest.mark.parametrize(
    ("data", "repairs"),
    [
        (TEXT.encode(), []),
        (TEXT.encode("utf-8-sig"), []),
        (TEXT.encode() + b"\0\0\n", []),
        (TEXT.replace("\n", "\r\n").encode(), []),
        (TEXT.replace("\n", "\r").encode(), []),
        (TEXT.encode("utf-16"), ["the file was written in UTF-16"]),
        (TEXT.encode("utf-16-le"), ["the file was written in UTF-16"]),
        (TEXT.encode("utf-32"), ["the file was written in UTF-32"]),
        (
            TEXT.replace('"metadata": {},\n "cells"', '"metadata": {"title": "\xe9"},\n "cells"').encode("latin-1"),
            ["the file is not in UTF-8 and was read as cp1252"],
        ),
        (TEXT.replace('"nbformat": 4', '"nbformat": "4"').encode(), []),
        (TEXT.replace('"metadata": {},\n "cells"', '"metadata": null,\n "cells"').encode(), []),
        (
            json.dumps({**GOOD, "cells": [None, "text", *GOOD["cells"]]}).encode(),
            ["2 of the cells were none, and were left out"],
        ),
        (
            TEXT.replace(
                ' "nbformat_minor": 5,\n', conflict(' "nbformat_minor": 5,', ' "nbformat_minor": 4,')
            ).encode(),
            ["the file contained a merge conflict, of which the first version was kept"],
        ),
    ],
)
def test_readable_variants_are_read(tmp_path, data, repairs):
    notebook, told = read(tmp_path, data)
    assert [grade_id(one) for one in notebook.cells] == ["mean", None]
    assert [one.source for one in notebook.cells] == [RIGHT, "a\nb"]
    assert told == repairs


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty; ask for it again, saved by Jupyter as .ipynb"),
        (b"\0\0 \n", "is empty; ask for it again, saved by Jupyter as .ipynb"),
        (gzip.compress(TEXT.encode()), "is compressed (gzip); unpack it"),
        (b"PK\3\4rest", "is an archive (zip); unpack it"),
        (b"<!DOCTYPE html>", "is a web page; ask for the notebook"),
        (b"\xef\xbb\xbf\n<?xml version='1.0'?><html>", "is a web page; ask for the notebook"),
        (json.dumps({"cells": [GOOD["cells"]]}).encode(), "is not a notebook (none of its cells is one)"),
        (b"version https://git-lfs.github.com/spec/v1\n", "only points to a file in Git LFS; ask for the notebook"),
        (b"{\xe9", "is not UTF-8 text (byte 1)"),
        (b"7z\xbc\xaf\x27\x1c", "is an archive (7z); unpack it"),
        (b"\x89PNG\r\n", "is a picture; ask for the notebook"),
        (b"{\\rtf1\\ansi", "is a word processor document (RTF); ask for the notebook"),
        (
            TEXT[:-5].encode(),
            "is not a notebook (it ends in the middle, or is damaged, from line ",
        ),
        (
            TEXT[:300].encode(),
            "is not a notebook (it ends in the middle, or is damaged, from line ",
        ),
        (b"import numpy as np\n", "is not a notebook (it begins with 'import numpy as np'); ask for it again"),
        (b'{"cells": [],}', "is not a notebook (it is damaged at line 1, near "),
        (conflict("{", "[").encode(), "is not a notebook, because of a merge conflict"),
        (b"[1, 2]", "is not a notebook (it is a list or a single value)"),
        (b'{"nbformat": 4}', "is not a notebook (it has no list of cells)"),
        (b'{"nbformat": 9, "worksheets": []}', "is not a notebook ("),
        (b'{"nbformat": "\\ud800", "worksheets": []}', "is not a notebook ("),
        (b"[" * 100_000 + b"]" * 100_000, "is nested too deeply for a notebook"),
    ],
)
def test_unreadable_files_are_refused_with_a_reason(tmp_path, data, words):
    with pytest.raises(NotebookError) as caught:
        read(tmp_path, data)
    assert str(caught.value).startswith(f"{tmp_path}/averages.ipynb: {words}")


def test_control_characters_after_the_notebook_are_left_out(tmp_path):
    notebook, told = read(tmp_path, TEXT.encode() + b"\x1a")
    assert (notebook.cells[0].source, told) == (RIGHT, [])


@pytest.mark.parametrize("more", ["}", " " + TEXT, "\nSaved at noon"])
def test_text_after_the_notebook_is_left_out(tmp_path, more):
    notebook, told = read(tmp_path, (TEXT + more).encode())
    assert (notebook.cells[0].source, told) == (RIGHT, ["text after the end of the notebook was ignored"])


def test_a_file_in_a_windows_encoding_is_read(tmp_path):
    text = TEXT.replace("return", "# “done …”\\n    return")
    notebook, told = read(tmp_path, text.encode("cp1252"))
    assert "# “done …”" in notebook.cells[0].source
    assert told == ["the file is not in UTF-8 and was read as cp1252"]


def test_the_tag_skip_execution_is_kept(tmp_path):
    cell = {"cell_type": "Code", "source": "1", "metadata": {"tags": ["skip-execution", 1]}}
    (found,) = read(tmp_path, json.dumps({"cells": [cell]}).encode())[0].cells
    assert (found.cell_type, found.metadata.tags) == ("code", ["skip-execution"])


@pytest.mark.parametrize("number", [3, 5, 4.0, "4.5", None, True, [4], "\ud800"])
def test_a_wrong_format_number_does_not_matter_if_there_are_cells(tmp_path, number):
    notebook, told = read(tmp_path, json.dumps({**GOOD, "nbformat": number}).encode())
    assert (notebook.cells[0].source, told) == (RIGHT, [])


@pytest.mark.parametrize(
    ("source", "text"),
    [(["a\n", "b"], "a\nb"), (["a", "b"], "a\nb"), (["a\n", None, "b"], "a\nb"), ([["a\n", 1, "b"]], "a\nb"), ([], "")],
)
def test_a_source_may_be_a_list(tmp_path, source, text):
    notebook, _ = read(tmp_path, json.dumps({**GOOD, "cells": [{**GOOD["cells"][0], "source": source}]}).encode())
    assert notebook.cells[0].source == text


def test_one_bad_byte_does_not_change_the_other_characters(tmp_path):
    data = TEXT.replace("def mean", "# \u03b2\u03b3 \u00e9\\ndef mean").encode().replace("\u00e9".encode(), b"\xe9")
    notebook, told = read(tmp_path, data)
    assert notebook.cells[0].source.startswith("# \u03b2\u03b3 \ufffd\n")
    assert told == ["1 of the file's characters were not valid UTF-8 and were replaced by \ufffd"]


def test_half_a_character_in_a_picture_costs_only_the_picture(tmp_path):
    pictures = {"a.png": {"image/png": "\ud800"}, "b\ud800.png": {"image/png": "AA"}, "c.png": {"image/png": "AA"}}
    data = json.dumps({**GOOD, "cells": [{"cell_type": "markdown", "source": "p", "attachments": pictures}]}).encode()
    notebook, _ = read(tmp_path, data)
    assert list(notebook.cells[0].attachments) == ["c.png"]


@pytest.mark.parametrize("nothing", ["{}", "null", ""])
def test_a_conflict_with_an_empty_version_keeps_the_notebook(tmp_path, nothing):
    notebook, told = read(tmp_path, conflict(nothing, TEXT).encode())
    assert notebook.cells[0].source == RIGHT
    assert told == ["the file contained a merge conflict, of which the second version was kept"]


@pytest.mark.parametrize("source", [None, 7, [1], {"a": "b"}])
def test_a_source_that_is_not_text_is_read_as_none(tmp_path, source):
    notebook, _ = read(tmp_path, json.dumps({**GOOD, "cells": [{**GOOD["cells"][0], "source": source}]}).encode())
    assert notebook.cells[0].source is None


def test_odd_metadata_outputs_and_attachments_do_no_harm(tmp_path):
    odd = {**GOOD["cells"][0], "outputs": "text", "execution_count": "x", "id": 3}
    nested = {"nbgrader": {"grade_id": "mean", "points": [1]}}
    markdown = {"cell_type": "markdown", "source": "p", "metadata": None}
    markdown["attachments"] = {"p.png": {"image/png": "aGk="}, "q.png": None, "r.png": {}}
    notebook, _ = read(tmp_path, json.dumps({**GOOD, "cells": [odd, {**odd, "metadata": nested}, markdown]}).encode())
    assert "id" not in notebook.cells[0] and "outputs" not in notebook.cells[0]
    assert notebook.cells[1].metadata.nbgrader == {"grade_id": "mean"}
    assert notebook.cells[2].attachments == {"p.png": {"image/png": "aGk="}}
