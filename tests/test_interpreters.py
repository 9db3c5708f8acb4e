"""What workers and kernels are forked from: started early, for one assignment or several."""

import subprocess
import sys

from grading import interpreters
from grading.grade import grade
from tests.conftest import FORGETS_TO_DIVIDE, RIGHT, submit


def test_it_imports_little():
    heavy = "{'nbgrader', 'nbconvert', 'jupyter_client', 'sqlalchemy', 'torch', 'numpy', 'matplotlib'}"
    asked = f"import sys, grading.interpreters; print(sorted({heavy} & set(sys.modules)))"
    said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n", "what it imports holds up what it starts"


def test_they_serve_more_than_one_class(tiny):
    submit(tiny, "ada", RIGHT)
    with interpreters.start(tiny, ["averages"]) as make_pool:
        (first,) = grade(tiny, "averages", 1, make_pool=make_pool)
        submit(tiny, "bob", FORGETS_TO_DIVIDE)
        _, second = grade(tiny, "averages", 2, make_pool=make_pool)
    assert first.score == 3
    assert second.has_grade and second.score < 3


def test_cells_that_all_have_are_known_without_the_hidden_tests(tiny):
    cells = interpreters.given_cells(tiny, "averages")
    assert any("assert" in cell for cell in cells)
    assert not any("HIDDEN" in cell or "oracle" in cell for cell in cells)
