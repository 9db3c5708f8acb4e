"""Reading what was handed in: mended where it is clear how, named where not, and never changed."""

import json
import os
import pickle
import re
import subprocess
from datetime import datetime

import pytest
from nbformat.v4 import new_code_cell

from grading.course import notebooks
from grading.intake import submission as module
from grading.intake.notebook_file import MAX_CELLS
from grading.intake.restore import restored
from grading.intake.submission import MAX_FILES, MAX_NOTEBOOK, Submission, SubmissionError, find
from tests.conftest import RIGHT, submit
from tests.intake.test_merge_conflicts import conflict


@pytest.fixture
def handed_in(tiny):
    """The submission of ada, who is right."""
    submit(tiny, "ada", RIGHT)
    return find(tiny, "averages")[0]


def text_of(submission: Submission) -> str:
    return (submission.folder / "averages.ipynb").read_text(encoding="utf-8")


def mean_of(submission: Submission) -> str:
    return notebooks.by_id(submission.notebook())["mean"].source


def test_a_notebook_as_it_should_be_is_read_without_a_remark(handed_in):
    assert mean_of(handed_in) == RIGHT
    assert handed_in.repairs == []


@pytest.mark.parametrize(
    "change",
    [
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: json.dumps(json.loads(text), indent=1).replace("\n", "\r\n").encode(),
        lambda text: json.dumps(json.loads(text), ensure_ascii=False, indent=4).encode(),
    ],
    ids=["byte-order mark", "Windows line ends", "other indentation"],
)
def test_how_the_file_is_written_does_not_matter(handed_in, change):
    path = handed_in.folder / "averages.ipynb"
    path.write_bytes(change(text_of(handed_in)))
    before = path.read_bytes()
    assert mean_of(handed_in) == RIGHT
    assert path.read_bytes() == before


def test_a_merge_conflict_in_the_file_is_resolved_to_the_first_version(handed_in):
    text = json.dumps(json.loads(text_of(handed_in)), indent=1)
    line = next(line for line in text.split("\n") if "sum(values)" in line)
    (handed_in.folder / "averages.ipynb").write_text(
        text.replace(line + "\n", conflict(line, line.replace("sum", "max"))), encoding="utf-8"
    )
    assert mean_of(handed_in) == RIGHT
    assert handed_in.repairs == ["the file contained a merge conflict, of which the first version was kept"]


def test_a_conflict_that_no_version_solves_is_unreadable(handed_in):
    (handed_in.folder / "averages.ipynb").write_text(conflict("{", "["), encoding="utf-8")
    with pytest.raises(SubmissionError) as caught:
        handed_in.notebook()
    assert caught.value.state == "notebook_unreadable"


def test_files_beside_an_unreadable_notebook_are_listed(handed_in):
    (handed_in.folder / "averages.ipynb").rename(handed_in.folder / "averages (1).ipynb")
    (handed_in.folder / "averages.ipynb").write_bytes(b"")
    with pytest.raises(SubmissionError, match=r"is empty; ask for it again.*\(beside it: averages \(1\)\.ipynb\)"):
        handed_in.notebook()


def test_a_merge_conflict_in_a_cell_is_resolved_and_one_in_a_string_is_left(tiny):
    released = notebooks.read(tiny.root / "release" / "averages" / "averages.ipynb").cells
    submitted = [cell.copy() for cell in released]
    mean = next(cell for cell in submitted if notebooks.grade_id(cell) == "mean")
    mean["source"] = conflict(RIGHT, "def mean(values):\r\n    return 0").replace("\n", "\r\n")
    kept = 'text = """\n' + conflict("a", "b") + '"""'
    submitted.append(new_code_cell(kept))
    cells, repairs = restored(submitted, released)
    by_id = {notebooks.grade_id(cell): cell for cell in cells}
    assert by_id["mean"].source.strip() == RIGHT
    assert cells[-1].source == kept
    assert repairs == ["cells with a merge conflict, of which the first version was kept: mean"]


def test_files_beside_the_notebook_are_copied_and_links_are_not(handed_in, tmp_path):
    folder = handed_in.folder
    (folder / "own").mkdir()
    (folder / "own" / "helper.py").write_text("x = 1", encoding="utf-8")
    (folder / "other.ipynb").write_text("{}", encoding="utf-8")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "helper.pyc").write_bytes(b"x")
    (folder / "secret.txt").symlink_to("/etc/passwd")
    os.mkfifo(folder / "waits_for_ever")
    handed_in.copy_files(tmp_path / "copy")
    copied = sorted(str(path.relative_to(tmp_path / "copy")) for path in (tmp_path / "copy").rglob("*"))
    assert copied == ["own", "own/helper.py"]
    assert handed_in.repairs == ["the symbolic link secret.txt was left out"]


def test_what_is_too_large_is_left_out_or_refused(handed_in, tmp_path):
    with (handed_in.folder / "data.bin").open("wb") as file:
        file.truncate(MAX_FILES + 1)
    handed_in.copy_files(tmp_path)
    assert handed_in.repairs == ["the file data.bin was left out: it has 100 MiB"]
    with (handed_in.folder / "averages.ipynb").open("wb") as file:
        file.truncate(MAX_NOTEBOOK + 1)
    with pytest.raises(SubmissionError, match=r"64 MiB large.*without outputs") as caught:
        handed_in.notebook()
    assert caught.value.state == "notebook_unreadable"


def test_a_linked_notebook_is_refused(handed_in, tiny):
    path = handed_in.folder / "averages.ipynb"
    path.unlink()
    path.symlink_to(tiny.source("averages"))
    with pytest.raises(SubmissionError, match="is a symbolic link, which is never followed") as caught:
        handed_in.notebook()
    assert caught.value.state == "symbolic_link"


def test_the_digest_depends_on_contents_and_names_and_not_on_times(handed_in):
    path = handed_in.folder / "averages.ipynb"
    first = handed_in.digest()
    os.utime(path, (1, 1))
    assert handed_in.digest() == first
    (handed_in.folder / "a.txt").write_text("1", encoding="utf-8")
    second = handed_in.digest()
    (handed_in.folder / "a.txt").rename(handed_in.folder / "b.txt")
    third = handed_in.digest()
    (handed_in.folder / "b.txt").write_text("2", encoding="utf-8")
    assert len({first, second, third, handed_in.digest()}) == 4


@pytest.mark.parametrize(
    ("there", "words"),
    [
        ({}, r"is missing \(the folder is empty\); ask the student for it"),
        ({"averages.py": b"", "averages.zip": b""}, r"is missing \(there is: averages.py, averages.zip\); ask"),
        ({".ipynb_checkpoints/averages.ipynb": b"{}"}, r"is missing \(there is: .ipynb_checkpoints/\); ask"),
        ({"averages.ipynb/a": b""}, "is a folder, or no file; ask for the notebook"),
    ],
)
def test_a_missing_notebook_is_reported_with_the_files_that_are_there(handed_in, there, words):
    (handed_in.folder / "averages.ipynb").unlink()
    for name, data in there.items():
        (handed_in.folder / name).parent.mkdir(exist_ok=True)
        (handed_in.folder / name).write_bytes(data)
    with pytest.raises(SubmissionError, match=words) as caught:
        handed_in.notebook()
    assert caught.value.state == "notebook_missing"


@pytest.mark.parametrize(
    "name", ["my work.ipynb", "Averages.ipynb", "averages (1).ipynb", "averages.IPYNB", "averages.ipynb.txt"]
)
def test_a_renamed_notebook_is_found_beside_copies_and_hidden_files(handed_in, name):
    path = (handed_in.folder / "averages.ipynb").rename(handed_in.folder / name)
    (handed_in.folder / f"._{name}").write_bytes(b"\0\5\x16\7")
    (handed_in.folder / f"zz {name}").write_bytes(path.read_bytes())
    assert mean_of(handed_in) == RIGHT
    assert handed_in.repairs == [f"the notebook was renamed to {name}"]


def test_a_link_beside_the_renamed_notebook_is_not_followed(handed_in):
    path = (handed_in.folder / "averages.ipynb").rename(handed_in.folder / "mine.ipynb")
    (handed_in.folder / "latest.ipynb").symlink_to(path)
    assert mean_of(handed_in) == RIGHT
    assert handed_in.repairs == ["the notebook was renamed to mine.ipynb"]


@pytest.mark.parametrize(
    ("data", "time"),
    [
        (b"2026-01-02 03:04:05 UTC\n", datetime(2026, 1, 2, 3, 4, 5)),
        (b"", None),
        (b"yesterday evening", None),
        ("2026".encode("utf-16"), None),
        (b"1" * 2000, None),
    ],
)
def test_the_time_of_a_submission_is_read_or_reported_as_unreadable(handed_in, data, time):
    (handed_in.folder / "timestamp.txt").write_bytes(data)
    assert handed_in.timestamp() == time
    assert bool(handed_in.repairs) == (time is None and data != b"")


def test_a_linked_folder_is_not_looked_into(tiny, tmp_path):
    (tiny.root / "submitted" / "ada").mkdir(parents=True)
    (tiny.root / "submitted" / "ada" / "averages").symlink_to(tmp_path)
    (found,) = find(tiny, "averages")
    for read in (found.digest, found.notebook):
        with pytest.raises(SubmissionError, match="is a symbolic link, which is never followed") as caught:
            read()
        assert caught.value.state == "symbolic_link"


def test_a_file_that_is_far_too_large_is_not_read(handed_in):
    path = handed_in.folder / "film.mp4"
    path.touch()
    digests = set()
    for size in (2**40, 2**40 + 1):  # to read as much would take an hour
        os.truncate(path, size)
        digests.add(handed_in.digest())
    assert len(digests) == 2


def test_a_linked_time_is_not_followed(handed_in, tmp_path):
    (tmp_path / "time").write_text("2026-01-02 03:04:05 UTC")
    (handed_in.folder / "timestamp.txt").symlink_to(tmp_path / "time")
    assert handed_in.timestamp() is None
    assert handed_in.repairs == ["timestamp.txt holds no valid time, so the time of submission is unknown"]


@pytest.mark.parametrize("name", ["a\nb", "caf\udce9", " ada", "ada "])
def test_a_folder_name_that_nbgrader_cannot_store_is_reported(tiny, name):
    with pytest.raises(SubmissionError, match="ends with a space, holds a line break, or is not UTF-8; rename"):
        Submission(name, "averages", tiny.root / "submitted" / name / "averages").digest()


def test_a_notebook_in_the_wrong_place_is_reported_as_missing(tiny):
    root = tiny.root / "submitted"
    for name in (
        "ada/averages.ipynb",
        "bob/Averages/averages.ipynb",
        "dan/averages (1)/averages.ipynb",
        "__MACOSX/averages/x",
    ):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text("{}")
    (root / "cleo").mkdir()
    found = find(tiny, "averages")
    assert [submission.student for submission in found] == ["ada", "bob", "dan"]
    for submission, seen in zip(found, ("averages.ipynb", "Averages/", "averages (1)/"), strict=True):
        with pytest.raises(SubmissionError, match=re.escape(f"is missing (there is: {seen})")):
            submission.notebook()


def test_find_sees_folders_of_that_assignment_only(tiny):
    submit(tiny, "bob", RIGHT)
    submit(tiny, "ada", RIGHT)
    (tiny.root / "submitted" / "cleo" / "medians").mkdir(parents=True)
    (tiny.root / "submitted" / "README").write_text("", encoding="utf-8")
    assert [submission.student for submission in find(tiny, "averages")] == ["ada", "bob"]
    assert [submission.student for submission in find(tiny, "averages", ["bob"])] == ["bob"]


@pytest.mark.parametrize("student", ["*", "[ab]", "a?", "<b>q", "o'neill", 'a"b', "\x1b[31mred", "a`b", "a\\b"])
def test_an_id_that_could_be_more_than_a_name_is_refused(tiny, student):
    submit(tiny, student, RIGHT)
    (found,) = find(tiny, "averages")
    with pytest.raises(SubmissionError, match="rename the folder"):
        found.digest()


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ([{}] * (MAX_CELLS + 1), "has 5,001 cells, and at most 5,000 are read"),
        ([{"cell_type": "code", "source": "x" * 17 * 2**20}] * 2, "holds 34 MiB of text and pictures"),
        (
            [{"cell_type": "markdown", "source": "", "attachments": {"a": {"image/png": "x" * 33 * 2**20}}}],
            "holds 33 MiB of text and pictures",
        ),
    ],
    ids=["cells", "text", "pictures"],
)
def test_an_oversized_notebook_is_refused(handed_in, cells, words):
    text = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    (handed_in.folder / "averages.ipynb").write_text(text, encoding="utf-8")
    with pytest.raises(SubmissionError, match=words) as caught:
        handed_in.notebook()
    assert caught.value.state == "notebook_unreadable"
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize("crowd", ["many", "deep"])
def test_a_crowded_folder_costs_its_files_and_not_the_notebook(handed_in, tmp_path, monkeypatch, crowd):
    monkeypatch.setattr(module, "MAX_PATHS", 50)
    before = handed_in.digest()
    folder = handed_in.folder
    for number in range(51 if crowd == "many" else 1100):
        folder = handed_in.folder / f"{number}" if crowd == "many" else folder / "d"
        folder.mkdir()
    (handed_in.folder / "data.csv").write_text("1,2", encoding="utf-8")
    handed_in.copy_files(tmp_path / "copy")
    assert not (tmp_path / "copy").exists() and "so none but the notebook was used" in handed_in.repairs[0]
    assert mean_of(handed_in) == RIGHT and handed_in.digest() == before
    subprocess.run(["rm", "-rf", handed_in.folder], check=True)  # too deep for pytest


def test_the_digest_depends_only_on_files_that_are_used(handed_in, monkeypatch):
    (handed_in.folder / "a.bin").write_bytes(bytes(60_000))
    (handed_in.folder / "b.bin").write_bytes(bytes(30_000))
    monkeypatch.setattr(module, "MAX_FILES", 50_000)
    before = handed_in.digest()
    (handed_in.folder / "a.bin").write_bytes(b"x" * 60_000)  # left out: only its size counts
    assert handed_in.digest() == before
    (handed_in.folder / "b.bin").write_bytes(b"x" * 30_000)
    assert handed_in.digest() != before
    before = handed_in.digest()
    path = handed_in.folder / "averages.ipynb"
    path.write_text(text_of(handed_in).replace("values", "VALUES"), encoding="utf-8")
    assert handed_in.digest() != before
