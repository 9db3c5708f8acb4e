"""Parcels: a worker with a course folder of its own gives the same grades, and what is no result is refused."""

import json
from concurrent.futures import Executor, Future
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell

from grading.course import notebooks
from grading.course.errors import CourseError
from grading.course.folder import Course
from grading.run import parcel
from grading.run.conversion import Converter
from grading.run.parcel import ParcelError, inside, opened
from grading.run.pool import Elsewhere
from grading.run.results import Executed
from grading.run.sanitizing import Sanitized
from tests.conftest import FORGETS_TO_DIVIDE, RIGHT, graded, submit


class OtherFolder(Elsewhere):
    """The processes of this machine, which have the course in another folder and get nothing but texts."""

    def __init__(self, pool: Executor, folder: Path):
        self.pool, self.folder, self.results = pool, folder, []

    def send(self, converter: Converter, sanitized: Sanitized) -> "Future[Executed]":
        sent: Future[Executed] = Future()
        text = self.pool.submit(parcel.execute, parcel.pack(converter, sanitized, ""), str(self.folder))
        try:
            self.results.append(text.result())
            sent.set_result(opened(self.results[-1], sanitized.notebook))
        except Exception as error:
            sent.set_exception(error)
        return sent


def unpacked(course: Course, folder: Path) -> Path:
    """What a worker has of a course."""
    for path, content in parcel.course_files(course.root, ["averages"]).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def hand_in(course: Course) -> None:
    submit(course, "ada", RIGHT)
    submit(course, "bob", FORGETS_TO_DIVIDE)
    submit(course, "cleo")
    path = submit(course, "dan", "import own\n" + RIGHT.replace("sum(values)", "own.total(values)"))
    (path.parent / "own.py").write_text("total = sum", encoding="utf-8")
    submit(course, "eve", RIGHT, lambda notebook: notebook.cells.insert(3, new_code_cell("import os\nos._exit(1)")))


def test_parcels_give_the_same_grades_messages_and_records(tiny: Course, tmp_path: Path, pool: Executor):
    hand_in(tiny)
    here = graded(tiny, pool)
    notebook_of = {student: here.notebook(student) for student in here.outcomes}
    there = graded(tiny, OtherFolder(pool, unpacked(tiny, tmp_path / "worker")), force=True)
    assert there.outcomes.keys() == {"ada", "bob", "cleo", "dan", "eve"}
    for student, ended in there.outcomes.items():
        assert there.notebook(student) == notebook_of[student]
        for name in ("state", "reason", "score", "tests", "suspicions", "faults", "isolated", "fingerprint"):
            assert getattr(ended, name) == getattr(here.outcomes[student], name)
    assert there.outcomes["dan"].score == 3 and there.outcomes["bob"].tests["test_mean"]["mistake"]


@pytest.mark.parametrize("missing", ["", "source", "release", "mistakes"])
def test_a_worker_without_all_of_the_course_executes_nothing(tiny: Course, tmp_path: Path, missing: str):
    folder = tmp_path / "worker"
    folder.mkdir()
    for path, content in parcel.course_files(tiny.root, ["averages"]).items():
        if missing and not path.startswith(missing):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
    names = {"assignment": "averages", "notebook": "averages", "student": "ada"}
    text = json.dumps({"names": names, "notebook": {}, "files": {}, "settings": {}, "inputs": 0})
    with pytest.raises(CourseError, match=f"Nothing is graded: there is no .*{missing}"):
        parcel.execute(text, str(folder))


def test_a_digest_identifies_the_course(tiny: Course):
    files, settings = parcel.course_files(tiny.root, ["averages"]), parcel.settings(tiny.config)
    assert {path.split("/")[0] for path in files} == {"source", "release", "mistakes"}
    assert "db_url" not in json.dumps(settings) and str(tiny.root) not in json.dumps(settings)
    known = {parcel.digest(files, settings)}
    known |= {parcel.digest({**files, path: content + b" "}, settings) for path, content in files.items()}
    known.add(parcel.digest(files, {**settings, "Execute": {"timeout": 1}}))
    assert len(known) == len(files) + 2
    (tiny.root / "mistakes" / "averages.toml").unlink()
    with pytest.raises(CourseError, match="the catalogue of mistakes"):
        parcel.course_files(tiny.root, ["averages"])


def test_a_setting_that_is_not_plain_data_is_reported(tiny: Course):
    tiny.config.Execute.on_cell_start = print
    with pytest.raises(CourseError, match=r"c\.Execute\.on_cell_start .* cannot be sent"):
        parcel.settings(tiny.config)


@pytest.mark.parametrize("path", ["/etc/passwd", "../grades", "a/../../b", ""])
def test_no_file_of_a_parcel_leads_out_of_its_folder(path: str):
    with pytest.raises(ParcelError, match="leads out of the folder"):
        inside(path)


def result_of(notebook) -> dict:
    findings = {"troubles": [["timeout", "cell 1: slow"]], "suspicions": [], "faults": [], "cell_seconds": {"a": 1.5}}
    return json.loads(json.dumps({"notebook": notebook, "findings": findings, "isolated": True}))


def test_an_invalid_result_is_refused(tiny: Course):
    sent = notebooks.read(tiny.root / "source" / "averages" / "averages.ipynb")
    right = result_of(sent)
    right["notebook"]["cells"][2]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "hello"}]
    executed = opened(json.dumps(right), sent)
    assert executed.notebook.cells[2].outputs[0].text == "hello" and executed.isolated
    assert executed.findings.troubles == [("timeout", "cell 1: slow")]

    def changed(change) -> str:
        told = result_of(sent)
        change(told)
        return json.dumps(told)

    wrong = {
        "no JSON": "{",
        "no dict": "[]",
        "no isolated": changed(lambda told: told.pop("isolated")),
        "more": changed(lambda told: told.update(points=3)),
        "another text for isolated": changed(lambda told: told.update(isolated="yes")),
        "a cell less": changed(lambda told: told["notebook"]["cells"].pop()),
        "another test": changed(lambda told: told["notebook"]["cells"][3].update(source="pass")),
        "a cell that is none": changed(lambda told: told["notebook"]["cells"].__setitem__(0, 1)),
        "output of no type": changed(lambda told: told["notebook"]["cells"][2].update(outputs=[{"text": "a"}])),
        "no outputs": changed(lambda told: told["notebook"]["cells"][2].pop("outputs")),
        "notes of another kind": changed(lambda told: told["notebook"]["cells"][3]["metadata"].update(grading=[1])),
        "other notes": changed(lambda told: told["notebook"]["cells"][3]["metadata"].update(grading={"points": "3"})),
        "endless seconds": changed(lambda told: told["findings"]["cell_seconds"].update(a=float("inf"))),
        "no seconds": changed(lambda told: told["findings"]["cell_seconds"].update(a=float("nan"))),
        "a number for text": changed(lambda told: told["findings"].update(faults=[1])),
        "troubles of three": changed(lambda told: told["findings"].update(troubles=[["a", "b", "c"]])),
    }
    for name, text in wrong.items():
        with pytest.raises(ParcelError):
            opened(text, sent)
            pytest.fail(f"accepted: {name}")
    points = changed(lambda told: told["notebook"]["cells"][3]["metadata"]["nbgrader"].update(points=100))
    assert opened(points, sent).notebook.cells[3].metadata.nbgrader.points == 2  # what was sent counts
