"""The sample class: notebooks filled in from the solutions and the catalogue."""

import pytest

from grading.authoring import sample_class
from grading.authoring.sample_class import SampleStudent
from grading.course import catalogue, notebooks
from grading.course.catalogue import CatalogueError
from tests.conftest import RIGHT, tiny_notebook


@pytest.fixture
def entries(tiny) -> list[catalogue.Entry]:
    return catalogue.load(tiny.root / "mistakes" / "averages.toml", tiny_notebook())


def written(tiny, answers, entries) -> notebooks.NotebookNode:
    return sample_class.submission(tiny, "averages", SampleStudent("x", answers), entries)


def test_a_class_is_read_in_order(tiny):
    assert sample_class.load_class(tiny.root / "mistakes" / "class.toml") == [
        SampleStudent("ada", "solutions"),
        SampleStudent("bob", ("mean_forgets_to_divide",)),
        SampleStudent("cleo", "nothing"),
    ]


def test_solutions_fill_the_gaps_without_markers(tiny, entries):
    source = notebooks.by_id(written(tiny, "solutions", entries))["mean"].source
    assert "    return sum(values) / len(values)" in source and "SOLUTION" not in source


def test_answers_nothing_hands_in_the_release(tiny, entries):
    path = tiny.root / "release" / "averages" / "averages.ipynb"
    assert written(tiny, "nothing", entries) == notebooks.read(path)


def test_a_mistake_replaces_its_solution_only(tiny, entries):
    notebook = written(tiny, ("mean_forgets_to_divide",), entries)
    released = notebooks.read(tiny.root / "release" / "averages" / "averages.ipynb")
    assert "return sum(values)\n" in notebooks.by_id(notebook)["mean"].source + "\n"
    notebooks.by_id(notebook)["mean"].source = notebooks.by_id(released)["mean"].source
    assert notebook == released


def test_no_submission_holds_a_hidden_test(tiny, entries):
    for answers in ("solutions", "nothing", ("mean_by_hand",)):
        assert not any("oracle" in cell.source for cell in written(tiny, answers, entries).cells)


def test_two_answers_to_one_exercise_are_refused(tiny, entries):
    with pytest.raises(CatalogueError, match="x has two answers to one exercise of averages"):
        written(tiny, ("mean_forgets_to_divide", "mean_by_hand"), entries)


@pytest.mark.parametrize(
    ("answers", "points"),
    [
        ("solutions", (2, 1)),
        ("nothing", (0, 0)),
        (("mean_forgets_to_divide",), (0, 0)),
        (("mean_drops_the_sign",), (2, 0)),
        (("mean_by_hand",), (2, 1)),
        (("answer_of_another_assignment",), (2, 1)),
    ],
)
def test_expected_points_follow_from_the_catalogue(entries, answers, points):
    expected = sample_class.expected(tiny_notebook(), SampleStudent("x", answers), entries)
    assert expected == dict(zip(("test_mean", "test_mean_negative"), points))


def test_the_whole_class_hands_in(tiny):
    sample_class.hand_in(tiny, "averages", sample_class.load_class(tiny.root / "mistakes" / "class.toml"))
    handed_in = sorted((tiny.root / "submitted").glob("*/averages/averages.ipynb"))
    assert [path.parent.parent.name for path in handed_in] == ["ada", "bob", "cleo"]
    assert RIGHT.split("\n")[1] in notebooks.by_id(notebooks.read(handed_in[0]))["mean"].source


def test_prepare_copies_what_a_course_needs_and_no_more(tiny):
    (tiny.root / "submitted" / "ada").mkdir(parents=True)
    (tiny.root / "source" / "averages" / ".ipynb_checkpoints").mkdir()
    (tiny.root / "rubrics").mkdir()
    folder = tiny.root / "build" / "demo"
    folder.mkdir(parents=True)
    (folder / "old").write_text("", encoding="utf-8")
    own = sample_class.prepare(tiny, folder)
    assert own.root == folder and own.assignments == ["averages"]
    copied = ["gradebook.secret", "mistakes", "nbgrader_config.py", "rubrics", "source"]
    assert sorted(path.name for path in folder.iterdir()) == copied
    assert (folder / "gradebook.secret").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (folder / "source" / "averages").iterdir()] == ["averages.ipynb"]
