"""A predicted answer is shown by a cell that reads the prediction, and by nothing before it is there."""

import re

import pytest

from grading.course import notebooks
from grading.course.folder import Course
from grading.execution.rehearsal import definitions
from tests.conftest import ROOT

SOURCES = {name: notebooks.read(Course(ROOT).source(name)) for name in Course(ROOT).assignments}
READS = re.compile(r'(?:prediction|reveal)\(\s*"(\w+)"')
QUESTIONS = [
    (assignment, name)
    for assignment, source in SOURCES.items()
    for name, cell in notebooks.by_id(source).items()
    if notebooks.kind(cell) == "solution" and "raises-exception" in cell.metadata.get("tags", [])
]
REVEALED = [
    pytest.param(assignment, cell, id=f"{assignment}-{cell.id}")
    for assignment, source in SOURCES.items()
    for cell in source.cells
    if "\n@reveal(" in f"\n{cell.source}" and notebooks.kind(cell) is None
]


def written(assignment: str, name: str) -> str:
    """What a student assigns in the cell of a question: `eta_max` in `stable_learning_rate`."""
    source = notebooks.by_id(SOURCES[assignment])[name].source
    return re.findall(r"^(\w+) = ", source, re.MULTILINE)[-1]


@pytest.mark.parametrize(("assignment", "name"), QUESTIONS)
def test_a_question_is_followed_by_a_cell_that_reads_the_answer(assignment, name):
    cells = SOURCES[assignment].cells
    place = next(i for i, cell in enumerate(cells) if notebooks.grade_id(cell) == name)
    shown = [i for i, cell in enumerate(cells) if cell.cell_type == "code" and notebooks.kind(cell) is None]
    readers = [i for i in shown if written(assignment, name) in READS.findall(cells[i].source)]
    assert readers and min(readers) > place


@pytest.mark.parametrize(("assignment", "cell"), REVEALED)
def test_nothing_is_shown_before_a_prediction_is_made(assignment, cell, capsys):
    name, start = READS.search(cell.source)[1], cell.source.index("@reveal(")
    names, _ = definitions(SOURCES[assignment])
    names[name] = None
    exec(cell.source[start:], names)
    assert re.fullmatch(rf"○ predict first: `{name}` is still empty\. [^\n]*\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("assignment", "name", "wrong"),
    [
        ("mini-torch", "grad_after_two", 5),
        ("mini-torch", "gradient_seconds", 100),
        ("optimizers", "diverging_axis", "both"),
        ("optimizers", "coasting_distance", 7.5),
        ("optimizers", "adagrad_step", 0.5),
        ("optimizers", "parting_step", 5),
        ("conditioning", "steps_for_a_digit", 1000),
        ("conditioning", "doubled_eta", "smaller"),
        ("conditioning", "kappa_after", 1),
        ("conditioning", "speed_up", 10_000),
        ("training", "updates_per_epoch", [1, 1000, 20]),
        ("training", "rescaled_lr", 0.05),
        ("training", "quarter_epoch", 15),
    ],
)
def test_a_right_prediction_is_called_right_and_a_wrong_one_is_not(assignment, name, wrong, capsys):
    names, _ = definitions(SOURCES[assignment])
    code = next(cell.source for cell in SOURCES[assignment].cells if f'@reveal("{name}")' in cell.source)
    exec(code, names)
    right = capsys.readouterr().out
    assert right.splitlines()[-1].startswith("You predicted") and right.rstrip(".\n").lower().endswith("right")
    names[name] = wrong
    exec(code, names)
    assert "ight" not in capsys.readouterr().out.splitlines()[-1]


@pytest.mark.parametrize(
    ("assignment", "name", "right", "wrong"),
    [("optimizers", "survivors", 4, 7), ("conditioning", "full_matrix_notices", "no", "yes")],
)
def test_a_guess_without_points_is_compared_with_what_is_measured(assignment, name, right, wrong, capsys):
    names, _ = definitions(SOURCES[assignment])
    code = next(cell.source for cell in SOURCES[assignment].cells if f'@reveal("{name}")' in cell.source)
    for guess, is_right in ((right, True), (wrong, False)):
        names[name] = guess
        exec(code, names)
        assert capsys.readouterr().out.rstrip(".\n").lower().endswith("right") is is_right


@pytest.mark.parametrize(
    ("yours", "right", "said"),
    [
        (4.8, 5.0, "4.0% off"),
        (50, 5, "too large by a factor of 10"),
        (-1, -8, "too small by a factor of 8"),
        (-1, 5, "That is 6 off"),
        (3, 0, "That is 3 off"),
        ("five", 5, "it is the number 5"),
        ([1, 2], [1, 3], "it is [1, 3]"),
        ("up", "down", "it is 'down'"),
        (float("inf"), 5, "That is inf off"),
    ],
)
def test_the_cell_says_how_near_a_prediction_was(yours, right, said):
    names, _ = definitions(SOURCES["mini-torch"])
    assert said in names["how_near"](yours, right)
