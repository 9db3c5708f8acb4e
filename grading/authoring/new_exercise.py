"""A new exercise that works at once: heading, solution, self-check, hidden test, and entries in the catalogue.

It doubles a number. Its author replaces one part after the other; `make check` lists what is still the skeleton's.
"""

import keyword
import re

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from grading.authoring.embed import formatted
from grading.authoring.graded_questions import answer_cell
from grading.course import notebooks
from grading.course.errors import CourseError
from grading.course.folder import Course

AUTHOR = "AUTHOR:"  # marks what still has to be written
LONGEST = 32  # characters of a name: with more, the check's message does not fit into a line of 120

HEADING = """## Exercise {number}: {title} (2 points)

AUTHOR: say in a few sentences what this is, and give the formula. Here: the double of $x$ is $2x$."""

SOLUTION = '''def {name}(x):
    """Return the double of the number x. AUTHOR: say what goes in and what comes out."""
    # TODO: AUTHOR: say what to write. Here: compute 2 times x
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION'''

CHECK = """@self_check("{name}")
def _():
    expect_number({name}(3.0), 6.0, "{name}(3)", "AUTHOR: a hint for who gets this wrong.")"""

PLAIN_CHECK = """assert {name}(3.0) == 6.0, (
    f"{name}(3) should be 6, yours is {{{name}(3.0)}}. "
    "AUTHOR: a hint."
)"""

TEST = """{visible}
### BEGIN HIDDEN TESTS
from grading import oracle, student

# AUTHOR: compare with a reference, on values that the self-check does not show.
oracle.same_number(student.call("{name}", -1.5), -3.0, "{name}(-1.5)")
### END HIDDEN TESTS"""

TEST_ZERO = """# Hidden test: zero. AUTHOR: an edge case that fails for another reason than the test above.
### BEGIN HIDDEN TESTS
from grading import oracle, student

oracle.same_number(student.call("{name}", 0.0), 0.0, "{name}(0)")
### END HIDDEN TESTS"""

QUESTION = """## Exercise {number}: {title} (2 points)

AUTHOR: ask something that is answered in a few sentences, and say what a good answer has."""

MODEL = "AUTHOR: a model answer, which students do not see."

RUBRIC = """
[[{name}]]
points = 1
text = "AUTHOR: what earns the first point, as the student should read it."

[[{name}]]
points = 1
text = "AUTHOR: what earns the second point."
"""

CATALOGUE = """
# {title}. AUTHOR: at least four mistakes that students will make, and one right answer in an unusual style.

# AUTHOR: the promises of the docstring and the text: what is returned, of which type and shape; what is left unchanged;
# for which inputs; the defaults. Each sentence needs a mistake that breaks just that one.
[contract.{name}]
1 = "`{name}(x)` returns 2 times x."
2 = "For 0 it returns 0."

[[mistake]]
name = "{name}_squares"
breaks = 1
why = "The number is squared, not doubled."
cell = "{name}"
old = "return 2 * x"
new = "return x * x"
loses = ["test_{name}"]

[[mistake]]
name = "{name}_never_gives_zero"
breaks = 2
why = "One is added to zero: the double of 0 is 0."
cell = "{name}"
old = "return 2 * x"
new = "return 2 * x if x else 1.0"
loses = ["test_{name}_zero"]

[[right]]
name = "{name}_adds"
why = "It adds the number to itself."
cell = "{name}"
old = "return 2 * x"
new = "return x + x"
"""


def new_exercise(course: Course, assignment: str, name: str, written: bool = False) -> list[str]:
    """Add an exercise behind the last one of a source notebook, and its entries to the catalogue or the rubrics.

    Args:
        name: of the function, and of its cell.
        written: a question that is answered in words and graded by a person, instead of a function.

    Returns:
        What to do next, in words.

    Raises:
        CourseError: the name cannot be one, is too long, or is taken.
    """
    path = course.source(assignment)
    notebook = notebooks.read(path)
    taken = notebooks.by_id(notebook)
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise CourseError(
            f"{name!r} cannot be the name of a function in lower case words joined by _, such as clip_norm"
        )
    if len(name) > LONGEST:
        raise CourseError(
            f"{name} has {len(name)} characters: too many for one line of code; choose a name of at most {LONGEST}"
        )
    own = [name] if written else [name, f"test_{name}", f"test_{name}_zero"]
    clash = [other for other in taken if other in own or notebooks.exercise_of(other, [name])]
    if clash:
        raise CourseError(f"{path.name} has {', '.join(clash)} already; choose another name")
    wrong = [test for test in own[1:] if notebooks.exercise_of(test, [*notebooks.tests_of(notebook), name]) != name]
    if wrong:
        raise CourseError(f"{', '.join(wrong)} would count as a test of another exercise; choose another name")
    number = 1 + max([int(n) for n in re.findall(r"^#+ Exercise (\d+)", _prose(notebook), re.MULTILINE)], default=0)
    words = {"name": name, "title": name.replace("_", " ").capitalize(), "number": number}
    if written:
        return _add_question(course, assignment, notebook, name, words)
    visible = (CHECK if "given_checks" in taken else PLAIN_CHECK).format(**words)
    cells = [
        new_markdown_cell(HEADING.format(**words), id=f"heading-{name.replace('_', '-')}"),
        _cell(SOLUTION.format(**words), own[0], solution=True),
        _cell(TEST.format(visible=visible, **words), own[1], points=1),
        _cell(TEST_ZERO.format(**words), own[2], points=1),
    ]
    _add(notebook, cells)
    notebooks.write(notebooks.normal_form(notebook), path)
    catalogue = course.root / "mistakes" / f"{assignment}.toml"
    catalogue.parent.mkdir(exist_ok=True)
    with catalogue.open("a", encoding="utf-8") as file:
        file.write(CATALOGUE.format(**words))
    return [
        f"source/{assignment}/{assignment}.ipynb: exercise {number}, {name}, was added after the last one",
        f"mistakes/{assignment}.toml: two mistakes and an unusual right answer",
        f"Edit it; make check lists what is left. Then run: make normalize release check ASSIGNMENT={assignment}",
    ]


def _add_question(
    course: Course, assignment: str, notebook: NotebookNode, name: str, words: dict[str, object]
) -> list[str]:
    """Add a question that a person grades, and its rubric."""
    heading = new_markdown_cell(QUESTION.format(**words), id=f"heading-{name.replace('_', '-')}")
    _add(notebook, [heading, answer_cell(name, 2, MODEL)])
    notebooks.write(notebooks.normal_form(notebook), course.source(assignment))
    rubric = course.root / "rubrics" / f"{assignment}.toml"
    rubric.parent.mkdir(exist_ok=True)
    with rubric.open("a", encoding="utf-8") as file:
        file.write(RUBRIC.format(**words) if file.tell() else RUBRIC.format(**words).lstrip("\n"))
    return [
        f"source/{assignment}/{assignment}.ipynb: exercise {words['number']}, {name}, was added after the last one",
        f"rubrics/{assignment}.toml: two items of one point each",
        f"Edit both; make check lists what is left. Then run: make normalize release check ASSIGNMENT={assignment}",
        f"When students have handed in: make grade, then make mark ASSIGNMENT={assignment}",
    ]


def _add(notebook: NotebookNode, cells: list[NotebookNode]) -> None:
    """Put cells behind the last one that nbgrader knows."""
    known = [i for i, cell in enumerate(notebook.cells) if notebooks.grade_id(cell)]
    last = max(known, default=len(notebook.cells) - 1)
    notebook.cells[last + 1 : last + 1] = cells


def left_to_write(text: str) -> bool:
    """True for a text in which something of the skeleton still waits for its author."""
    return AUTHOR in text


def _prose(notebook: NotebookNode) -> str:
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def _cell(source: str, name: str, solution: bool = False, points: int | None = None) -> NotebookNode:
    data = {"grade": not solution, "grade_id": name, "locked": not solution, "schema_version": 3}
    data |= {"solution": solution, "task": False} | ({} if points is None else {"points": points})
    return new_code_cell(formatted(source), metadata={"nbgrader": data}, id=name.replace("_", "-"))
