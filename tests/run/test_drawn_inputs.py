"""The inputs of hidden tests follow from the secret, the student and the notebook, whichever way it is graded."""

import hashlib
import html
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import Executor
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell

from grading.authoring.release import release
from grading.course import notebooks
from grading.course.errors import CourseError
from grading.course.folder import Course
from grading.gradebook import secret
from grading.oracle import inputs
from grading.run import inbox, regrade
from grading.run.watch import Watcher
from tests.conftest import FORGETS_TO_DIVIDE, RIGHT, Graded, graded, scores_of, submit, tiny_notebook, tiny_source

DRAWS = """# Hidden test: drawn numbers.
### BEGIN HIDDEN TESTS
from grading import oracle, student

values = oracle.rng("mean").uniform(1, 9, size=3).tolist()
oracle.same_number(student.call("mean", values), sum(values) / 3, f"mean({values})")
### END HIDDEN TESTS"""

LOOKS_AROUND = """
import os
from pathlib import Path
print(dict(os.environ))
for path in [Path({secret!r}), *Path("/proc").glob("[0-9]*/environ"), *Path("/proc").glob("[0-9]*/cmdline")]:
    try:
        print(path.read_bytes().decode("utf-8", "replace"))
    except OSError as error:
        print(type(error).__name__, path)
"""


@pytest.fixture(scope="module")
def drawing(tmp_path_factory) -> Path:
    """The tiny course with a hidden test that draws, and a class of three who are all wrong."""
    course = tiny_source(tmp_path_factory.mktemp("drawing") / "course")
    notebook = tiny_notebook()
    notebooks.by_id(notebook)["test_mean_negative"].source = DRAWS
    notebooks.write(notebook, course.source("averages"))
    secret.file_of(course).write_text("5a" * secret.N_BYTES, encoding="ascii")
    release(course, "averages")
    for student in ("ada", "bob", "cleo"):
        submit(course, student, FORGETS_TO_DIVIDE)
    return course.root


def copy(drawing: Path, folder: Path) -> Course:
    return Course(Path(shutil.copytree(drawing, folder / "course")))


def told(course: Course) -> dict[str, str]:
    """What the test that draws says to each student."""
    class_ = Graded(course, {}, 0)
    students = sorted(path.name for path in (course.root / "autograded").iterdir())
    return {student: class_.error(student, "test_mean_negative") for student in students}


def sha256(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


@pytest.fixture(scope="module")
def parallel(drawing, pool, tmp_path_factory) -> Course:
    """The class graded by parallel workers with warm kernels; look and do not touch."""
    return graded(copy(drawing, tmp_path_factory.mktemp("parallel")), pool).course


def test_every_student_gets_inputs_of_their_own_key(parallel):
    said = told(parallel)
    assert len(set(said.values())) == 3
    for student, words in said.items():
        attempt = sha256(parallel.root / "submitted" / student / "averages" / "averages.ipynb")
        with inputs.drawn_by(inputs.key(secret.of(parallel), student, "averages", attempt)):
            assert f"mean({inputs.rng('mean').uniform(1, 9, size=3).tolist()})" in words
        assert "A likely mistake: The sum is not divided" in words, "its answers are to the same questions"


@pytest.mark.slow
def test_serial_grading_in_cold_kernels_draws_the_same_inputs(drawing, parallel, tmp_path):
    assert told(graded(copy(drawing, tmp_path), jobs=1).course) == told(parallel)


def test_stock_autograde_draws_the_same_inputs(drawing, parallel, tmp_path):
    course = copy(drawing, tmp_path)
    line = [sys.executable, "-m", "nbgrader", "autograde", "averages", "--student", "ada"]
    subprocess.run(line, cwd=course.root, env={**os.environ, "WARM": "no"}, capture_output=True, check=True)
    assert told(course) == {"ada": told(parallel)["ada"]}


@pytest.mark.usefixtures("shared_interpreters")
def test_watch_draws_the_same_inputs(drawing, parallel, tmp_path):
    course = copy(drawing, tmp_path)
    Watcher(course, ["averages"], jobs=2).until_idle()
    assert told(course) == told(parallel)


def test_a_regrade_and_a_forced_grading_draw_the_same_inputs(parallel, pool, tmp_path):
    course = copy(parallel.root, tmp_path)
    assert told(graded(course, pool, force=True).course) == told(parallel)
    made = regrade.preview(course, ["averages"], executor=pool)
    assert told(made.own) == told(parallel) and made.changes == []


def test_the_next_attempt_has_other_inputs_and_the_first_one_again_its_own(parallel, pool, tmp_path):
    course = copy(parallel.root, tmp_path)
    path = course.root / "submitted" / "ada" / "averages" / "averages.ipynb"
    first = path.read_bytes()
    submit(course, "ada", FORGETS_TO_DIVIDE + "  # again")
    again = told(graded(course, pool).course)
    assert again.pop("ada") != told(parallel)["ada"]
    assert again.items() < told(parallel).items()
    path.write_bytes(first)
    assert told(graded(course, pool).course) == told(parallel)


@pytest.mark.slow
@pytest.mark.usefixtures("shared_interpreters")
def test_a_table_made_from_a_page_earns_nothing_at_the_next_attempt(drawing, tmp_path):
    course = copy(drawing, tmp_path)
    settings = course.root / "nbgrader_config.py"
    settings.write_text(settings.read_text() + "\nc.AttemptPolicy.attempts = 2\n")
    course, pages = Course(course.root), tmp_path / "pages"
    shutil.rmtree(course.root / "submitted")

    def hand_in(solution: str) -> str:
        submit(course, "ada", solution)
        time.sleep(inbox.SETTLED + 0.2)
        Watcher(course, ["averages"], jobs=1, pages=pages).until_idle()
        return html.unescape((pages / "ada" / "averages.html").read_text(encoding="utf-8"))

    def learned(page: str) -> dict[tuple[float, ...], float]:
        found = re.findall(r"mean\(\[([^]]*)\]\) should be (-?[\d.]+\d)", page)
        return {tuple(map(float, values.split(","))): float(mean) for values, mean in found}

    table = learned(hand_in(FORGETS_TO_DIVIDE))
    assert table
    answer = f"def mean(values):\n    return {table}.get(tuple(values), sum(values))"
    other = learned(hand_in(answer))
    drawn = [values for values in table if values != (2.0, 3.0, 7.0)]
    assert drawn and not any(values in other for values in drawn), "other inputs"
    assert scores_of(course, "ada")["test_mean_negative"] == 0
    last = hand_in(RIGHT)
    assert "this attempt does not count" in last and "all 2 attempts are used up" in last
    assert scores_of(course, "ada")["test_mean_negative"] == 0
    assert len(list((course.root / "attempts" / "averages" / "ada").iterdir())) == 3, "it is kept"


def test_with_a_new_secret_everybody_is_graded_again_with_other_inputs(parallel, pool, tmp_path):
    course = copy(parallel.root, tmp_path)
    secret.file_of(course).write_text("a5" * secret.N_BYTES, encoding="ascii")
    again = graded(course, pool)
    assert not any(outcome.unchanged for outcome in again.outcomes.values())
    assert all(told(course)[student] != words for student, words in told(parallel).items())


def test_a_graded_class_without_its_secret_is_refused(parallel, tmp_path):
    course = copy(parallel.root, tmp_path)
    before = (course.root / "gradebook.db").read_bytes()
    secret.file_of(course).unlink()
    refusals = [
        lambda: graded(course, force=True),
        lambda: regrade.preview(course, ["averages"]),
        lambda: Watcher(course, ["averages"]),
    ]
    for refused in refusals:
        with pytest.raises(CourseError, match=r"gradebook\.secret is missing"):
            refused()
    assert (course.root / "gradebook.db").read_bytes() == before
    line = [sys.executable, "-m", "nbgrader", "autograde", "averages", "--force", "--student", "ada"]
    ended = subprocess.run(line, cwd=course.root, env={**os.environ, "WARM": "no"}, capture_output=True, text=True)
    assert ended.returncode != 0 and "gradebook.secret is missing" in ended.stderr
    assert not secret.file_of(course).exists()


@pytest.mark.parametrize("warm", [False, True])
def test_no_student_can_read_the_secret(drawing, pool: Executor, tmp_path, warm):
    course = copy(drawing, tmp_path)
    cell = new_code_cell(LOOKS_AROUND.format(secret=str(secret.file_of(course))))
    path = submit(course, "spy", RIGHT, lambda notebook: notebook.cells.append(cell))
    class_ = graded(course, pool, warm=warm, students=["spy"])
    (found,) = [cell.outputs for cell in class_.notebook("spy").cells if "/proc" in cell.source]
    text = "".join(output.get("text", "") for output in found)
    assert f"FileNotFoundError {secret.file_of(course)}" in text and "'PATH'" in text
    key = inputs.key(secret.of(course), "spy", "averages", sha256(path))
    assert secret.of(course).hex() not in text and key.hex() not in text
