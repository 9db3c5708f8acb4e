"""`make mark` in a pseudo-terminal: what graders see and type, alone and two at once."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from grading.cli.main import main
from grading.cli.marker import decided, parse
from grading.course import rubrics
from grading.course.folder import Course
from grading.course.rubrics import Item
from grading.gradebook.marking import Answer, Place, Question
from tests.terminal import Terminal
from tests.written import answer, by_formgrader, given, with_question

PROMPT = "? help: "
ITEMS = [Item(1, "Says so."), Item(1, "Names it."), Item(-0.5, "Confuses it.")]


@pytest.fixture(scope="module")
def asked(tmp_path_factory) -> Path:
    course = with_question(tmp_path_factory.mktemp("asked") / "course")
    for student, text in (("ada", "An outlier."), ("bob", "\x1b[31mThe [b]middle[/b]."), ("cleo", None), ("dan", " ")):
        answer(course, student, text)
    (course.root / "students.csv").write_text("id,first_name,last_name\nada,Ada,Lovelace\n", encoding="utf-8")
    return course.root


@pytest.fixture
def course(asked: Path, tmp_path: Path) -> Course:
    return Course(Path(shutil.copytree(asked, tmp_path / "course")))


def run(course: Course, *arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(main, ["--root", str(course.root), *arguments], input=typed)


def seen(points: float | None = None, comment: str = "") -> Answer:
    return Answer(Place(Question("averages", "why", "", ""), "ada"), "text", 2.0, points, comment, True, "")


@pytest.mark.parametrize(
    ("text", "points", "items", "remark"),
    [
        ("1", 1, [0], ""),
        ("2 1", 2, [0, 1], ""),
        ("1,3", 0.5, [0, 2], ""),
        ("3", 0, [2], ""),
        ("0", 0, [], ""),
        ("= 1.5", 1.5, [], ""),
        ("1 3 =,5", 0.5, [0, 2], ""),
        ("1 # Nice: 2 # 3", 1, [0], "Nice: 2 # 3"),
        ("=2#x", 2, [], "x"),
    ],
)
def test_a_line_gives_points_and_a_comment(text, points, items, remark):
    assert decided(text, seen(), ITEMS) == (points, rubrics.comment([ITEMS[i] for i in items], remark))


def test_parts_that_a_line_omits_stay_unchanged():
    before = seen(1.5, rubrics.comment(ITEMS[:2], "Nice."))
    assert decided("", before, ITEMS) == (1.5, before.comment)
    assert decided("# Better.", before, ITEMS) == (1.5, rubrics.comment(ITEMS[:2], "Better."))
    assert decided("#", before, ITEMS) == (1.5, rubrics.comment(ITEMS[:2], ""))
    assert decided("1", before, ITEMS) == (1.0, rubrics.comment(ITEMS[:1], "Nice."))
    assert decided("= 1", before, ITEMS) == (1.0, before.comment)


@pytest.mark.parametrize("text", ["", "# a remark alone", "4", "13", "x", "1 x", "= x", "-1", "= -1", "1 = 1 = 2"])
def test_a_line_without_valid_points_is_refused(text):
    with pytest.raises(ValueError):
        decided(text, seen(), ITEMS)


def test_the_sum_of_items_stays_between_zero_and_the_points_of_the_question():
    items = [Item(2, "a"), Item(1, "b"), Item(-4, "c")]
    assert [rubrics.points(own, 2.0) for own in (items[:2], items, items[2:], [])] == [2, 0, 0, 0]
    assert parse("1 1 2", 2).items == (1, 2)


def test_a_person_grades_in_a_terminal(course):
    with Terminal(course.root, "mark") as terminal:
        first = terminal.until(PROMPT)
        for words in (
            "Why not always the mean?",
            "One huge value moves the mean.",
            "answer 1 of 3",
            "2 +1   Names the",
        ):
            assert words in first
        assert "there is no item 9" in terminal.line("9", PROMPT)
        assert "1 3 # A remark" in terminal.line("?", PROMPT)
        assert "This is the first answer" in terminal.line("b", PROMPT)
        second = terminal.line("1 3 # Good start.", PROMPT)
        assert "Saved: 0.5 of 2 points" in second and "-0.5 Confuses" in second and "answer 2 of 3" in second
        assert "answer 3 of 3" in terminal.line("s", PROMPT)
        assert "answer 2 of 3" in terminal.line("b", PROMPT)
        back = terminal.line("b", PROMPT)
        assert "answer 1 of 3" in back and "Given: 0.5 of 2 points" in back
        last = terminal.line("1 2", PROMPT)
        assert "answer 2 of 3" in last and "Good start." in last, "no question whether to replace one's own points"
        terminal.line("0", PROMPT)
        terminal.interrupt()  # Ctrl-C is q
        assert "2 graded. 1 wait for a person." in terminal.ended("for a person.")
    places = sorted(student for student in ("ada", "bob", "dan") if given(course, student)[0] is not None)
    assert len(places) == 2 and {given(course, student)[0] for student in places} == {2, 0}


def test_students_text_cannot_control_the_terminal(course):
    shown = run(course, "mark", typed="s\ns\nq\n").output
    assert "\x1b" not in shown and r"\x1b[31mThe [b]middle[/b]." in shown and "(empty)" in shown
    assert "ada (Ada Lovelace)" in shown and "bob" in shown


def test_anonymous_marking_shows_no_name(course):
    shown = run(course, "mark", "--anonymous", typed="1\n2\n0\n").output
    assert "3 graded. 0 wait for a person." in shown and "Next: make feedback" in shown
    assert not [name for name in ("ada", "Ada", "Lovelace", "bob", "dan") if name in shown]


def test_points_of_formgraders_are_shown_and_replaced_only_after_a_yes(course):
    by_formgrader(course, "ada", 1.5, "See me.")
    assert "ada" not in run(course, "mark", typed="s\ns\n").output, "it is graded"
    for typed, after in (
        ("1\nn\ns\n", (1.5, False, "See me.")),
        ("\n", (1.5, False, "See me.")),
        ("1\ny\n", (1.0, False, "- **+1** Says that one huge value moves the mean.\n\nSee me.")),
    ):
        before = ["s"] * _order(course).index("ada")
        shown = run(course, "mark", "--again", typed="\n".join([*before, typed]) + "q\n").output
        assert "Given: 1.5 of 2 points" in shown and "See me." in shown
        assert ("Replace the 1.5 points by 1?" in shown) == (typed != "\n")
        assert given(course, "ada") == after


def _order(course: Course) -> list[str]:
    from grading.gradebook import marking

    (question,) = marking.questions(course, "averages")
    return [place.student for place in marking.places(course, question, again=True)]


def test_points_that_formgrader_saves_while_the_answer_is_shown_are_kept(course):
    with Terminal(course.root, "mark") as terminal:
        first = terminal.until(PROMPT)
        student = next(name for name in ("ada", "bob", "dan") if f"answer 1 of 3, {name}" in first)
        by_formgrader(course, student, 0.5, "See me.")
        shown = terminal.line("1 2", PROMPT)
        assert "nothing is written" in shown and "Given: 0.5 of 2 points" in shown and f"1 of 3, {student}" in shown
        terminal.line("1 2", "Replace the 0.5 points by 2? [y/N]: ")
        assert "answer 1" not in terminal.line("n", PROMPT)
        terminal.line("q", "for a person.")
    assert given(course, student) == (0.5, False, "See me.")


def test_two_graders_share_the_answers(course):
    with Terminal(course.root, "mark") as one, Terminal(course.root, "mark") as other:
        firsts = one.until(PROMPT), other.until(PROMPT)
        assert ("answer 1 of 3" in firsts[0]) != ("answer 1 of 3" in firsts[1])
        assert "answer 3 of 3" in one.line("1 # by one", PROMPT)
        other.line("2 # by the other", "in another terminal.")
        assert "2 graded. 0 wait" in one.line("1 # by one", "make feedback")
    said = [given(course, student) for student in ("ada", "bob", "dan")]
    assert [points for points, _, _ in said] == [1, 1, 1] and not any(waits for _, waits, _ in said)
    assert sorted(comment.split("\n\n")[1] for _, _, comment in said) == ["by one", "by one", "by the other"]


def test_answers_of_a_killed_marker_are_released(course):
    with Terminal(course.root, "mark") as terminal:
        terminal.until(PROMPT)
    assert "3 graded. 0 wait for a person." in run(course, "mark", typed="1\n1\n1\n").output


def test_an_unknown_question_is_refused_and_a_finished_class_is_reported(course, tmp_path):
    shown = run(course, "mark", "--question", "how")
    assert shown.exit_code == 1 and "how is not a question that a person grades; those are: why" in shown.output
    for student in ("ada", "bob", "dan"):
        by_formgrader(course, student, 1)
    shown = run(course, "mark", "--assignment", "averages", "--question", "why")
    assert shown.exit_code == 0 and shown.output.startswith("No answer waits for a person.")


def test_a_group_is_shown_once_and_different_points_of_its_members_are_replaced_after_a_yes(course):
    for student in ("eve", "fay"):
        answer(course, student, "An outlier.")
    (course.root / "students.csv").write_text("id,group\nada,a\neve,a\nfay,a\n", encoding="utf-8")
    by_formgrader(course, "ada", 0.5)
    by_formgrader(course, "eve", 1)
    from grading.gradebook import marking

    (question,) = marking.questions(course, "averages")
    places = marking.places(course, question)
    before = "s\n" * next(number for number, place in enumerate(places) if place.others)
    shown = run(course, "mark", "--anonymous", typed=f"{before}1 2\ny\nq\n").output
    assert len(places) == 3 and ", a group of 3" in shown and "Replace the 0.5 and 1 points by 2?" in shown
    assert "1 graded. 2 wait for a person." in shown
    assert [given(course, student)[:2] for student in ("ada", "eve", "fay")] == [(2, False)] * 3
