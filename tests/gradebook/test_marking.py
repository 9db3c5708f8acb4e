"""Answers for a person: which there are, one grader each, and nothing written over what somebody else has done."""

import multiprocessing
import shutil
from pathlib import Path

import pytest

from grading.course import rubrics
from grading.course.errors import CourseError
from grading.course.folder import Course
from grading.gradebook import marking
from grading.gradebook.marking import ChangedError, Place, Question
from tests.written import MODEL, answer, by_formgrader, given, with_question


@pytest.fixture(scope="module")
def asked(tmp_path_factory) -> Path:
    course = with_question(tmp_path_factory.mktemp("asked") / "course")
    for student, text in (("ada", "An outlier."), ("bob", "The middle."), ("cleo", None)):
        answer(course, student, text)
    return course.root


@pytest.fixture
def course(asked: Path, tmp_path: Path) -> Course:
    return Course(Path(shutil.copytree(asked, tmp_path / "course")))


def question(course: Course) -> Question:
    (one,) = marking.questions(course, "averages")
    return one


def waiting(course: Course, again: bool = False) -> set[str]:
    return {place.student for place in marking.places(course, question(course), again)}


def read(course: Course, student: str) -> marking.Answer:
    found = marking.read(course, Place(question(course), student))
    assert found is not None
    return found


def test_questions_and_answers_are_listed(course):
    one = question(course)
    assert (one.name, one.model) == ("why", MODEL) and one.text.startswith("## Exercise 2: Why (2 points)\n\nWhy not")
    assert waiting(course) == {"ada", "bob"}, "cleo has left the gap as it was"
    assert waiting(course, again=True) == {"ada", "bob", "cleo"}
    found = read(course, "ada")
    assert (found.text, found.full, found.points, found.comment, found.waiting) == ("An outlier.", 2, None, "", True)


def test_the_order_differs_between_questions(course):
    def order(name: str) -> list[str]:
        own = Question("averages", name, "", "")
        return sorted("abcdefgh", key=lambda student: marking.order(Place(own, student)))

    assert order("why") != order("how") and order("why") != sorted("abcdefgh")


def test_points_and_comments_are_saved_where_formgrader_reads_them(course):
    items = rubrics.load(course, "averages")["why"]
    marking.save(course, read(course, "ada"), 1.5, rubrics.comment(items[1:], "Nice."))
    said = "- **+1** Names the median.\n- **-0.5** Confuses mean and median.\n\nNice."
    assert given(course, "ada") == (1.5, False, said)
    assert waiting(course) == {"bob"} and given(course, "bob") == (None, True, None)
    assert rubrics.parts(read(course, "ada").comment, items) == (items[1:], "Nice.")


@pytest.mark.parametrize("points", [-0.5, 2.5, float("nan")])
def test_points_outside_the_range_of_the_question_are_refused(course, points):
    with pytest.raises(CourseError, match="the question gives 0 to 2"):
        marking.save(course, read(course, "ada"), points, "")
    assert given(course, "ada") == (None, True, None)


def test_points_that_formgrader_saved_meanwhile_are_not_overwritten(course):
    seen = read(course, "ada")
    by_formgrader(course, "ada", 0.5, "See me.")
    with pytest.raises(ChangedError, match="meanwhile"):
        marking.save(course, seen, 2.0, "")
    assert given(course, "ada") == (0.5, False, "See me.")
    marking.save(course, read(course, "ada"), 2.0, "")
    assert given(course, "ada") == (2.0, False, None)


def test_a_comment_that_formgrader_saved_without_points_is_not_overwritten(course):
    by_formgrader(course, "ada", 0.5, "See me.")
    seen = read(course, "ada")
    by_formgrader(course, "ada", 0.5, "See me on Monday.")
    with pytest.raises(ChangedError):
        marking.save(course, seen, 0.5, "")
    assert given(course, "ada") == (0.5, False, "See me on Monday.")


@pytest.mark.parametrize(("text", "graded_at"), [("Another answer.", "2026-11-01T12:00:00+00:00"), ("An outlier.", "")])
def test_an_answer_that_is_graded_again_meanwhile_gets_no_points_of_the_old_one(course, text, graded_at):
    seen = read(course, "ada")
    answer(course, "ada", text, graded_at)
    with pytest.raises(ChangedError):
        marking.save(course, seen, 2.0, "")
    assert given(course, "ada") == (None, True, None)


def test_a_deleted_submission_is_reported(course):
    seen = read(course, "ada")
    with course.gradebook() as gradebook:
        gradebook.remove_submission("averages", "ada")
    with pytest.raises(ChangedError, match="no longer in the gradebook"):
        marking.save(course, seen, 1.0, "")
    assert marking.read(course, seen.place) is None


def _hold(root: Path, place: Place, held) -> None:
    with marking.claimed(Course(root), place) as mine:
        held.send(mine)
        if held.recv() == "die":
            multiprocessing.current_process().kill()


@pytest.mark.parametrize("ending", ["leave", "die"])
def test_an_answer_is_reserved_for_one_grader_until_the_process_releases_it_or_dies(course, ending):
    place = Place(question(course), "ada")
    here, there = multiprocessing.get_context("spawn").Pipe()
    other = multiprocessing.get_context("spawn").Process(target=_hold, args=(course.root, place, there))
    other.start()
    assert here.recv() is True
    with marking.claimed(course, place) as mine:
        assert not mine
    with marking.claimed(course, Place(place.question, "bob")) as mine:
        assert mine
    here.send(ending)
    other.join(30)
    with marking.claimed(course, place) as mine:
        assert mine


def test_points_that_formgrader_saved_without_a_comment_are_not_overwritten(course):
    by_formgrader(course, "ada", 0.5)
    seen = read(course, "ada")
    by_formgrader(course, "ada", 1.0)
    with pytest.raises(ChangedError):
        marking.save(course, seen, 2.0, "")
    assert given(course, "ada") == (1.0, False, None)


@pytest.fixture
def team(course: Course) -> Course:
    """Ada and Dan hand in together, as the class list says, and Eve with them, as `make collect` noted; Bob alone."""
    for student in ("dan", "eve"):
        answer(course, student, "An outlier.")
    (course.root / "students.csv").write_text("id,group\nada,averages: a\ndan,averages: a\nbob,\neve,\n", "utf-8")
    notes = course.root / "downloaded" / "averages" / "groups.json"
    notes.parent.mkdir(parents=True)
    notes.write_text('{"eve": "dan"}', encoding="utf-8")
    return course


def of_team(course: Course) -> Place:
    (place,) = (place for place in marking.places(course, question(course)) if place.student != "bob")
    return place


def test_the_answer_of_a_group_is_graded_once_and_counts_for_all(team):
    place = of_team(team)
    assert {place.student, *place.others} == {"ada", "dan", "eve"}
    assert len(marking.places(team, question(team))) == 2
    marking.save(team, marking.read(team, place), 1.5, "Nice.")
    assert [given(team, one) for one in ("ada", "dan", "eve")] == [(1.5, False, "Nice.")] * 3
    assert given(team, "bob") == (None, True, None) and waiting(team) == {"bob"}


def test_members_with_another_answer_are_graded_for_themselves(team):
    answer(team, "dan", "Another.")
    assert len(marking.places(team, question(team))) == 3
    assert {of.student: of.others for of in marking.places(team, question(team))}["dan"] == ()


@pytest.mark.parametrize("change", ["graded", "handed in"])
def test_if_one_members_answer_changed_no_points_are_written_for_the_group(team, change):
    place = of_team(team)
    seen, last = marking.read(team, place), place.others[-1]
    if change == "graded":
        by_formgrader(team, last, 0.5)
    else:
        answer(team, last, "Another.", graded_at="2026-11-02T12:00:00+00:00")
    with pytest.raises(ChangedError, match="meanwhile"):
        marking.save(team, seen, 2.0, "")
    assert given(team, place.student) == (None, True, None)


def test_a_member_without_points_gets_those_of_the_group(team):
    place = of_team(team)
    by_formgrader(team, place.others[0], 0.5, "See me.")
    assert of_team(team) == place, "the same claim for all graders, whatever was graded meanwhile"
    seen = marking.read(team, place)
    assert (seen.given.points, seen.given.comment) == (0.5, "See me.")
    marking.save(team, seen, seen.given.points, seen.given.comment)
    assert [given(team, one) for one in ("ada", "dan", "eve")] == [(0.5, False, "See me.")] * 3
