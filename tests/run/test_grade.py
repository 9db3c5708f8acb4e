"""Grading a class: everybody gets an outcome, one bad submission stops nobody, and again gives the same."""

import io
import os
import shutil
import subprocess
import sys
from concurrent.futures import Executor, Future

import pytest
from click.testing import CliRunner
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook
from nbgrader.api import MissingEntry
from rich.console import Console

from grading.authoring.release import release
from grading.cli.main import main
from grading.course import notebooks
from grading.course.errors import CourseError
from grading.course.folder import Course
from grading.execution.execute import Execute
from grading.gradebook import records
from grading.gradebook.database import scores
from grading.report import table
from grading.report.page import gather
from grading.run.grade import grade, release_if_unknown
from grading.sandbox.bubblewrap import SandboxError
from tests.classroom import EDITS, SOLUTIONS
from tests.conftest import (
    DROPS_THE_SIGN,
    FORGETS_TO_DIVIDE,
    RIGHT,
    graded,
    scores_of,
    spoil,
    submit,
    tiny_notebook,
    tiny_source,
)

SOME = ["drops_the_sign", "ends_python", "right", "sends_no_json", "sends_two_notebooks"]


def test_every_student_has_an_outcome_in_order(classroom):
    folders = sorted(path.name for path in (classroom.course.root / "submitted").iterdir())
    assert list(classroom.outcomes) == folders


@pytest.mark.parametrize(
    "student", [*SOLUTIONS, "spy", *sorted(set(EDITS) - {"has_the_solution_twice", "has_another_schema"})]
)
def test_gradable_submissions_are_graded(classroom, student):
    assert classroom.outcomes[student].has_grade


@pytest.mark.parametrize(
    ("student", "scores"),
    {
        "deletes_the_tests": (2, 1),
        "turns_tests_into_text": (2, 1),
        "saves_elsewhere": (2, 1),
        "renames_and_brings_numpy": (2, 1),
        "weakens_the_tests": (0, 0),
        "deletes_every_cell": (0, 0),
        "has_the_solution_twice": (2, 1),
        "has_another_schema": (2, 1),
    }.items(),
)
def test_changes_of_locked_cells_are_undone(classroom, student, scores):
    assert classroom.outcomes[student].has_grade, classroom.outcomes[student].reason
    assert classroom.scores(student) == scores
    tests = [cell for cell in classroom.notebook(student).cells if "oracle" in cell.source]
    assert len(tests) == 2


@pytest.mark.parametrize(
    ("student", "state", "words"),
    [
        ("sends_no_json", "notebook_unreadable", "is not a notebook (it is damaged at line 1, near"),
        ("sends_other_json", "notebook_unreadable", "averages.ipynb: is not a notebook"),
        (
            "sends_nothing",
            "notebook_missing",
            "is missing (the folder is empty); ask the student for it, or remove the folder",
        ),
        ("sends_two_notebooks", "notebook_unclear", "not clear which of a.ipynb, b.ipynb it is; rename the right one"),
    ],
)
def test_ungradable_submissions_are_reported_with_a_remedy(classroom, student, state, words):
    outcome = classroom.outcomes[student]
    folder = classroom.course.root / "submitted" / student
    assert outcome.state == state and outcome.reason.startswith(str(folder)) and words in outcome.reason
    assert not (classroom.course.root / "autograded" / student).exists()


def test_a_renamed_notebook_is_repaired(classroom):
    outcome = classroom.outcomes["renames_and_brings_numpy"]
    assert (outcome.state, outcome.reason) == ("repaired", "the notebook was renamed to my work (1).ipynb")


def test_an_empty_release_beside_the_work_is_reported(tiny, pool):
    for student, solution in (("forgets_to_rename", None), ("keeps_a_draft", RIGHT)):
        path = submit(tiny, student, solution)
        shutil.copy(path, path.with_name("mine.ipynb"))
    outcomes = graded(tiny, pool).outcomes
    words = "all its gaps are empty; the folder also holds mine.ipynb, which was not graded"
    assert [one.reason for one in outcomes.values()] == [words, ""]


def test_a_folder_in_the_place_of_a_given_file_stops_nothing(tiny, pool):
    (tiny.root / "source" / "averages" / "data.csv").write_text("1")
    path = submit(tiny, "ada", RIGHT)
    (path.parent / "data.csv" / "inner").mkdir(parents=True)
    (path.parent / "data.csv" / "inner" / "x.txt").write_text("x")
    (ended,) = graded(tiny, pool).outcomes.values()
    assert (ended.score, ended.reason) == (3, "the folder data.csv was replaced by the file of that name")


def test_a_submission_is_never_changed(classroom):
    submitted = classroom.course.root / "submitted"
    assert (
        (submitted / "sends_no_json" / "averages" / "averages.ipynb").read_text(encoding="utf-8").startswith("{ this")
    )
    assert (submitted / "renames_and_brings_numpy" / "averages" / "my work (1).ipynb").is_file()
    assert not (submitted / "sends_nothing" / "averages" / "averages.ipynb").exists()


class Elsewhere(Executor):
    """An executor with nothing but `submit`."""

    def __init__(self, pool: Executor):
        self.pool, self.submitted, self.closed = pool, 0, False

    def submit(self, function, /, *args, **kwargs):
        self.submitted += 1
        return self.pool.submit(function, *args, **kwargs)

    def shutdown(self, wait=True, *, cancel_futures=False):
        self.closed = True


def outcomes_and_scores(run, students) -> dict:
    return {name: (run.outcomes[name], run.scores(name) if run.outcomes[name].has_grade else None) for name in students}


def test_any_executor_is_accepted_and_stays_open_and_grades_are_reproducible(classroom, pool):
    elsewhere = Elsewhere(pool)
    before = outcomes_and_scores(classroom, SOME)
    again = graded(classroom.course, elsewhere, students=SOME, force=True)
    assert outcomes_and_scores(again, SOME) == before
    assert list(again.outcomes) == SOME
    assert elsewhere.submitted == 3 + 2 and not elsewhere.closed  # and the two canaries


def test_serial_grading_in_cold_kernels_gives_the_same_and_survives_a_killed_worker(tiny, classroom):
    submit(tiny, "a_killer", "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\n" + RIGHT)
    submit(tiny, "right", RIGHT)
    submit(tiny, "drops_the_sign", DROPS_THE_SIGN)
    told = []
    serial = graded(tiny, jobs=1, done=told.append)
    names = ["drops_the_sign", "right"]
    assert outcomes_and_scores(serial, names) == outcomes_and_scores(classroom, names)
    assert sorted(outcome.student for outcome in told) == ["a_killer", *names]
    for name in names:
        for cell, other in zip(serial.notebook(name).cells, classroom.notebook(name).cells, strict=True):
            assert (cell.source, cell.get("outputs")) == (other.source, other.get("outputs"))


def test_unchanged_submissions_are_skipped(tiny, pool):
    for student in ("ada", "bob"):
        submit(tiny, student, DROPS_THE_SIGN)
    first = graded(tiny, pool).outcomes
    os.utime(tiny.root / "submitted" / "ada" / "averages" / "averages.ipynb")
    again = graded(tiny, None).outcomes
    assert [one.unchanged for one in again.values()] == [True, True] and again == first
    assert not list(tiny.root.glob("gradebook.db.*")), "nothing was graded again, so nothing is copied"
    submit(tiny, "bob", RIGHT)
    last = graded(tiny, pool)
    assert [one.unchanged for one in last.outcomes.values()] == [True, False] and last.scores("bob") == (2, 1)
    assert len(list(tiny.root.glob("gradebook.db.*"))) == 1


@pytest.mark.parametrize("lost", ["record", "notebook", "tests"])
def test_lost_results_and_changed_tests_are_graded_again(tiny, pool, lost):
    submit(tiny, "ada", RIGHT)
    graded(tiny, pool)
    if lost == "record":
        (tiny.root / "records" / "averages" / "ada.json").unlink()
    elif lost == "notebook":
        shutil.rmtree(tiny.root / "autograded" / "ada")
    else:
        path = tiny.root / "mistakes" / "averages.toml"
        path.write_text(path.read_text(encoding="utf-8") + "\n# another", encoding="utf-8")
    again = graded(tiny, pool)
    assert not again.outcomes["ada"].unchanged and again.scores("ada") == (2, 1)


def test_the_record_says_what_happened(classroom):
    died = classroom.outcomes["ends_python"]
    assert died.state == "kernel_died" and died.reason.startswith("test_mean: This cell did not run to its end")
    assert (died.score, died.max_score) == (1, 3)
    assert died.tests["test_mean"]["exercise"] == "mean" and died.tests["test_mean"]["points"] == 0
    assert classroom.outcomes["has_a_cell_that_loops"].state == "cell_timed_out"
    assert "cell 4: This cell did not finish within 4 s" in classroom.outcomes["has_a_cell_that_loops"].reason
    wrong = classroom.outcomes["drops_the_sign"]
    assert wrong.tests["test_mean_negative"]["mistake"] == "mean_drops_the_sign"
    passed = {"exercise": "mean", "points": 2.0, "max": 2.0, "error": "", "mistake": "", "empty": False}
    assert wrong.tests["test_mean"] == passed
    assert all(one.isolated and one.seconds > 0 for one in classroom.outcomes.values() if one.has_grade)


def test_a_submission_that_cannot_be_saved_changes_nothing(tiny, pool):
    settings = tiny.root / "nbgrader_config.py"
    broken = """
from nbgrader.preprocessors import NbGraderPreprocessor

class RefusesBob(NbGraderPreprocessor):
    def preprocess(self, nb, resources):
        if resources["nbgrader"]["student"] == "bob":
            raise RuntimeError("no")
        return nb, resources

c.Autograde.autograde_preprocessors.append(RefusesBob)
"""
    settings.write_text(settings.read_text(encoding="utf-8") + broken, encoding="utf-8")
    submit(tiny, "ada", RIGHT)
    submit(tiny, "bob", RIGHT)
    outcomes = graded(tiny, pool).outcomes
    assert outcomes["ada"].state == "graded"
    assert outcomes["bob"].state == "not_gradable" and "RuntimeError: no" in outcomes["bob"].reason
    with tiny.gradebook() as gradebook:
        assert {submission.student.id for submission in gradebook.assignment_submissions("averages")} == {"ada"}
    assert not list((tiny.root / "autograded" / "bob").iterdir())


def test_a_better_submission_replaces_the_points_and_a_bad_one_keeps_them(tiny, pool):
    submit(tiny, "ada", DROPS_THE_SIGN)
    graded(tiny, pool)
    submit(tiny, "ada", RIGHT)
    assert graded(tiny, pool).scores("ada") == (2, 1)
    spoil(submit(tiny, "ada"), "{")
    worse = graded(tiny, pool)
    assert not worse.outcomes["ada"].has_grade and worse.scores("ada") == (2, 1)


def test_a_failed_submission_gets_no_zero_in_the_gradebook(classroom):
    with classroom.course.gradebook() as gradebook:
        known = {submission.student.id for submission in gradebook.assignment_submissions("averages")}
    assert not {name for name, outcome in classroom.outcomes.items() if not outcome.has_grade} & known


def test_an_unknown_assignment_is_refused(tiny):
    with pytest.raises(CourseError, match=r"There is no assignment 'medians' .*There are: averages"):
        grade(tiny, "medians")


def test_an_unreleased_assignment_is_released_first(tmp_path, pool):
    course = tiny_source(tmp_path / "course")
    path = course.root / "submitted" / "ada" / "averages" / "averages.ipynb"
    notebooks.write(tiny_notebook(), path)
    (ended,) = grade(course, "averages", executor=pool)
    assert (ended.state, ended.score) == ("graded", 3)
    assert (course.root / "release" / "averages" / "averages.ipynb").is_file()
    assert release_if_unknown(course, "averages") is False


@pytest.mark.parametrize("students", [None, ["nobody"]])
def test_without_submissions_the_message_names_the_folder(tiny, students):
    if students:
        submit(tiny, "ada", RIGHT)
    with pytest.raises(CourseError) as caught:
        grade(tiny, "averages", students=students)
    assert "Nothing is submitted for 'averages'" in str(caught.value)
    assert f"{tiny.root}/submitted/<student>/averages/averages.ipynb" in str(caught.value)


def test_the_working_folder_of_the_caller_stays(tiny, classroom, monkeypatch):
    monkeypatch.chdir(tiny.root)
    assert scores_of(Course(classroom.course.root), "right") == {"test_mean": 2, "test_mean_negative": 1}
    with pytest.raises(CourseError):
        grade(tiny, "averages")
    assert tiny.root.samefile(".")


def test_without_a_shared_zygote_each_worker_starts_its_own(tiny, monkeypatch):
    submit(tiny, "ada", RIGHT)

    def none(cells):
        raise SandboxError("no warm interpreter could be started: broken")

    monkeypatch.setattr("grading.execution.interpreters.zygotes", none)
    assert graded(tiny, warm=True, jobs=1).outcomes["ada"].score == 3


def test_text_that_no_file_can_hold_costs_only_its_own_submission(tiny, pool):
    submit(tiny, "ada", RIGHT)
    submit(tiny, "bob", RIGHT).write_text('{"nbformat": "\\ud800", "worksheets": []}')
    submit(tiny, "cleo" * 63, RIGHT)  # a name of 252 letters: there is no room for `.json`
    submit(tiny, "dan", RIGHT, lambda notebook: notebook.cells.append(new_code_cell("x = '\ud800'")))
    submit(tiny, "eve", RIGHT)
    folder = tiny.root / "submitted" / "fay" / "averages"
    folder.mkdir(parents=True)
    for name in (b"\xe9tude.ipynb", b"\xe8tude.ipynb"):
        (folder / os.fsdecode(name)).write_bytes(name)
    class_ = graded(tiny, pool)
    states = {student: ended.state for student, ended in class_.outcomes.items()}
    long = states.pop("cleo" * 63)
    assert states == {
        "ada": "graded",
        "bob": "notebook_unreadable",
        "dan": "repaired",
        "eve": "graded",
        "fay": "notebook_unclear",
    }
    assert long == "not_gradable" and "no record could be written" in class_.outcomes["cleo" * 63].reason
    assert {student: sum(found.values()) for student, found in scores(tiny, "averages").items()} == {
        "ada": 3.0,
        "dan": 3.0,
        "eve": 3.0,
    }
    console = Console(width=160, file=io.StringIO())
    console.print(table.table(tiny, "averages", table.collect(tiny, "averages")))
    console.file.getvalue().encode("utf-8")


def test_an_older_submission_that_comes_back_after_a_crash_is_graded_again(tiny, pool, monkeypatch):
    path = submit(tiny, "ada", RIGHT)
    graded(tiny, pool)
    right = path.read_bytes()
    submit(tiny, "ada", FORGETS_TO_DIVIDE)

    def crash(self, *args):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr("grading.run.conversion.Converter.set_permissions", crash)
        graded(tiny, pool)
    assert scores(tiny, "averages")["ada"] == {"test_mean": 0.0, "test_mean_negative": 0.0}
    path.write_bytes(right)
    assert not graded(tiny, pool).outcomes["ada"].unchanged
    assert scores(tiny, "averages")["ada"] == {"test_mean": 2.0, "test_mean_negative": 1.0}


FORBIDDEN = """
import sys
from pathlib import Path
from grading.course.folder import Course
from grading.run.grade import grade
if __name__ == "__main__":
    for ended in grade(Course(Path(sys.argv[1])), "averages", 1):
        print(ended.student, ended.state, "chmod -R u+rX" in ended.reason)
"""


def test_an_unreadable_folder_stops_nobody_else(tiny, tmp_path):
    for student, levels in (("ada", 0), ("bob", 1), ("cleo", 2), ("dan", None)):
        path = submit(tiny, student, RIGHT)
        if levels is not None:
            [path, *path.parents][levels].chmod(0)
    become = [] if os.getuid() else ["unshare", "--user", "--map-user=1234", "--map-group=1234"]
    script = tmp_path / "grade.py"
    script.write_text(FORBIDDEN, encoding="utf-8")
    line, environment = [*become, sys.executable, script, tiny.root], {**os.environ, "WARM": "no"}
    said = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
    for path in (tiny.root / "submitted").iterdir():
        path.chmod(0o755)
        (path / "averages").chmod(0o755)
    refused = [f"{student} notebook_unreadable True" for student in ("ada", "bob", "cleo")]
    assert said.stdout.splitlines() == [*refused, "dan graded False"], said.stderr


class Here(Executor):
    """Executes in this process, so that a test can break something."""

    def submit(self, function, *args):
        future = Future()
        try:
            future.set_result(function(*args))
        except Exception as error:
            future.set_exception(error)
        return future


def test_with_a_function_of_nbclient_missing_no_score_is_written(tiny, started, monkeypatch):
    """After an upgrade, say: right answers got 0 points, because everything was blamed on the kernel."""
    submit(tiny, "ada", RIGHT)
    monkeypatch.delattr(NotebookClient, "_async_poll_output_msg")
    with pytest.raises(CourseError, match=r"no score is written.*\n.*_async_poll_output_msg"):
        graded(tiny, Here())
    assert not (tiny.root / "records" / "averages" / "ada.json").exists()
    with tiny.gradebook() as gradebook, pytest.raises(MissingEntry):
        gradebook.find_submission("averages", "ada")


@pytest.mark.usefixtures("shared_interpreters")
def test_a_fault_in_a_hidden_test_gives_no_zero(tiny):
    path = tiny.root / "source" / "averages" / "averages.ipynb"
    source = notebooks.read(path)
    test = notebooks.by_id(source)["test_mean_negative"]
    test.source = test.source.replace(
        "oracle.same_number(", "1 / (student.call('mean', [2.0]) - 7.0)\noracle.same_number("
    )
    notebooks.write(source, path)
    release(tiny, "averages")
    submit(tiny, "ada", "def mean(values):\n    return 7.0 if len(values) == 1 else sum(values) / len(values)")
    submit(tiny, "bob", "def mean(values):\n    return 5.0")
    ended = CliRunner().invoke(main, ["--root", str(tiny.root), "grade", "--assignment", "averages", "--jobs", "1"])
    assert ended.exit_code == 1 and "1 submission could not be graded" in ended.output
    with tiny.gradebook() as gradebook:
        grade_, other = (gradebook.find_grade("test_mean_negative", "averages", "averages", s) for s in ("ada", "bob"))
        assert (grade_.auto_score, grade_.needs_manual_grade) == (None, True)
        assert (other.auto_score, other.needs_manual_grade) == (0, False), "a wrong answer is wrong as ever"
    record = records.read(tiny, "averages")["ada"]
    assert record.score == 2 and "ZeroDivisionError" in record.faults[0]
    page = gather(tiny, "averages")
    assert page.attention[0].student == "ada"
    assert "The hidden test test_mean_negative itself failed" in page.attention[0].reasons[0]


def test_a_test_cell_is_graded_whatever_its_tags(tiny, pool):
    def tag(notebook):
        for cell in notebook.cells:
            cell.metadata["tags"] = ["skip-execution", "demonstration"]

    submit(tiny, "ada", FORGETS_TO_DIVIDE, tag)
    assert graded(tiny, pool).outcomes["ada"].score == 0


@pytest.mark.parametrize("missing", ["release/averages/averages.ipynb", "mistakes/averages.toml"])
def test_without_the_files_that_decide_grades_nothing_is_graded(tiny, missing):
    submit(tiny, "ada", RIGHT)
    (tiny.root / missing).unlink()
    with pytest.raises(CourseError, match=missing):
        graded(tiny, warm=False)
    resources = {"metadata": {"path": str(tiny.root)}, "nbgrader": {"assignment": "averages", "notebook": "averages"}}
    with pytest.raises(CourseError, match=missing):  # also stock nbgrader and formgrader
        Execute(config=Course(tiny.root).config).preprocess(new_notebook(), resources)
