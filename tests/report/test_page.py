"""The class at a glance: what the page says, with names and without."""

import re
import shutil
from datetime import datetime

import pytest

from grading.course.errors import CourseError
from grading.course.folder import Course
from grading.gradebook import handed_in, late_penalties
from grading.report.page import Facts, gather, report
from tests.marks import mark
from tests.written import answer, by_formgrader, with_question

EMPTY = "This gap is still empty: do what the TODO above says."


@pytest.fixture(scope="module")
def course(released, tmp_path_factory) -> Course:
    """Thirteen students of whom anything may be said; no kernel runs."""
    course = Course(shutil.copytree(released, tmp_path_factory.mktemp("report") / "course"))
    for i in range(5):
        mark(course, f"strong{i}", seconds=1.0 + i, cell_seconds={"mean": 0.1, "test_mean": 0.2})
    for i in range(3):
        mark(course, f"divider{i}", (0, 0), ("should be 3", "should be -3"), "mean_forgets_to_divide")
    mark(course, "odd1", (2, 0), ("", "should be -3, yours is <b>7</b>"))
    mark(course, "odd2", (2, 0), ("", "should be -3, yours is <b>7</b>"))
    mark(course, "sign", (2, 0), ("", "should be -3"), "mean_drops_the_sign")
    mark(course, "empty", (0, 0), (EMPTY, EMPTY))
    reason, repairs = "a cell of slow ran out of time", ["a cell came back"]
    timed_out = {"state": "cell_timed_out", "reason": f"{reason}; {repairs[0]}", "repairs": repairs}
    mark(course, "slow", (2, 1), isolated=False, **timed_out)
    repairs = ["the cell mean was there twice", "the order of cells was restored"]
    mark(course, "strong0", state="repaired", reason="; ".join(repairs), repairs=repairs)
    mark(
        course, "broken", (0, 0), state="notebook_unreadable", reason=f"{course.root}/submitted/broken: is no notebook"
    )
    page = course.root / "feedback" / "odd1" / "averages" / "averages.html"
    page.parent.mkdir(parents=True)
    page.write_text("", encoding="utf-8")
    return course


@pytest.fixture(scope="module")
def facts(course) -> Facts:
    return gather(course, "averages")


def words(html: str) -> str:
    """The page's text: no scripts, no tags."""
    html = re.sub(r"<(script|style)\b.*?</\1>", " ", html, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", html).split()).replace(" ,", ",")


def own(html: str) -> str:
    """The page without plotly's own script."""
    return re.sub(r"<script>/\*\*.*?</script>", "", html, count=1, flags=re.DOTALL)


@pytest.fixture(scope="module")
def page(course) -> str:
    return report(course, "averages").read_text(encoding="utf-8")


def test_a_submission_without_a_grade_counts_nowhere(facts):
    assert len(facts.totals) == 13 and [row.student for row in facts.refused] == ["broken"]
    assert facts.full == 3 and facts.totals["odd1"] == 2


def test_exercises_and_tests_have_their_statistics(facts):
    (mean,) = facts.exercises
    assert mean.share == pytest.approx((6 * 3 + 3 * 2) / 36) and mean.empty == ["empty"]
    lost = {item.name: item.lost for item in facts.tests}
    assert lost["test_mean"] == ["divider0", "divider1", "divider2"]
    assert lost["test_mean_negative"] == ["divider0", "divider1", "divider2", "odd1", "odd2", "sign"]
    assert all(item.discrimination > 0.4 for item in facts.tests)


def test_mistakes_are_counted_by_student_in_the_catalogues_words(facts, page):
    mistake, alone = facts.misconceptions
    assert alone.students == ["sign"] and "Made by one student: 1" in words(page)
    assert mistake.students == ["divider0", "divider1", "divider2"]
    assert mistake.why == "The sum is not divided by the number of values."
    assert "3 of 13 divider0, divider1, divider2 mean The sum is not divided" in words(page)


def test_failures_that_the_catalogue_does_not_explain_are_grouped(facts):
    (row,) = facts.unexplained  # neither the diagnosed nor the empty ones
    assert (row.test, row.students) == ("test_mean_negative", ["odd1", "odd2"])


def test_students_who_need_a_person_are_listed_with_the_reason(facts, page):
    assert [(row.student, row.reasons) for row in facts.attention] == [
        ("slow", ["a cell of slow ran out of time", "a cell came back"]),
        ("strong0", ["the cell mean was there twice", "the order of cells was restored"]),
    ]
    assert "slow graded; a cell ran out of time" in words(page)


def test_refused_and_missing_submissions_are_two_lists(tiny):
    mark(tiny, "ada")
    mark(tiny, "bob", (0, 0), state="notebook_unreadable", reason="is no notebook")
    (tiny.root / "submitted" / "cleo" / "averages").mkdir(parents=True)
    (tiny.root / "students.csv").write_text("id\nada\nbob\ncleo\ndan\n<b>eve\n", encoding="utf-8")
    facts = gather(tiny, "averages")
    assert [(row.student, row.reasons) for row in facts.refused] == [("bob", ["is no notebook"])]
    assert (facts.missing, facts.waiting, facts.attention) == (["<b>eve", "dan"], ["cleo"], [])
    html = report(tiny, "averages").read_text(encoding="utf-8")
    assert "1 graded, 1 refused, 1 not graded yet, 2 not handed in." in words(html)
    assert "2 students: &lt;b&gt;eve, dan." in html and "<b>eve" not in html
    (tiny.root / "downloaded" / "averages").mkdir(parents=True)
    handed_in.note_refused(tiny, "averages", {"dan": "Dan Doe_1_/work.zip: cannot be opened"})
    html = report(tiny, "averages").read_text(encoding="utf-8")
    assert "1 student: &lt;b&gt;eve." in html and "Dan Doe_1_/work.zip: cannot be opened" in html
    html = report(tiny, "averages", anonymous=True).read_text(encoding="utf-8")
    assert "not collected" in html and "Dan Doe" not in html


def test_names_come_from_the_class_list_only_if_wanted(tiny):
    mark(tiny, "al815")
    with pytest.raises(CourseError, match=r"students\.csv, which does not exist"):
        report(tiny, "averages", names=True)
    listed = "id,first_name,last_name\nal815,Ada,<i>Lovelace\ngh906,Grace,Hopper\n"
    (tiny.root / "students.csv").write_text(listed, encoding="utf-8")
    path = report(tiny, "averages", names=True)
    html = own(path.read_text(encoding="utf-8"))
    assert path.name == "averages-names.html" and "1 student: Grace Hopper (gh906)." in words(html)
    assert "Ada &lt;i&gt;Lovelace (al815)" in html and "<i>Lovelace" not in html
    assert "Hopper" not in report(tiny, "averages").read_text(encoding="utf-8")
    said = own(report(tiny, "averages", anonymous=True).read_text(encoding="utf-8"))
    assert not re.search("Hopper|gh906|al815|Lovelace", said)
    with pytest.raises(CourseError, match="names or pseudonyms"):
        report(tiny, "averages", anonymous=True, names=True)


def test_late_students_are_listed_with_delay_and_penalty(tiny):
    for student in ("intime", "late", "unknown"):
        mark(tiny, student)
    tiny.config.LatePolicy.due = {"averages": "2026-10-24 23:59"}
    tiny.config.LatePolicy.timezone = "Europe/Berlin"
    tiny.config.LatePolicy.rule = "10 % a day"
    with tiny.gradebook() as gradebook:  # a day of 25 hours lies between: clocks go back on 2026-10-25
        for student, when in (("intime", "2026-10-24 21:59"), ("late", "2026-10-25 23:04")):
            gradebook.find_submission("averages", student).timestamp = datetime.fromisoformat(when)
        gradebook.db.commit()
    late_penalties.apply(tiny)
    facts = gather(tiny, "averages")
    (late,) = facts.late
    assert (late.student, late.by) == ("late", "1 d 1 h") and late.penalty == pytest.approx(0.6)
    assert late.handed_in == "2026-10-26 00:04 +0100 (Europe/Berlin)" and facts.time_unknown == ["unknown"]
    said = words(report(tiny, "averages").read_text(encoding="utf-8"))
    assert "late 2026-10-26 00:04 +0100 (Europe/Berlin) 1 d 1 h 0.6" in said
    assert "The time of submission is not known, so nothing is taken off, for 1 student: unknown" in said


def test_manual_work_and_a_missing_record_need_a_person(tiny):
    mark(tiny, "ada")
    (tiny.root / "records" / "averages" / "ada.json").unlink()
    with tiny.gradebook() as gradebook:
        gradebook.find_grade("test_mean", "averages", "averages", "ada").needs_manual_grade = True
        gradebook.db.commit()
    (row,) = gather(tiny, "averages").attention
    assert "no record" in row.reasons[0] and row.reasons[1] == "To be looked at by hand: test_mean"


def test_a_repair_that_most_submissions_need_is_not_listed(tiny):
    for i in range(5):
        mark(tiny, f"s{i}", state="repaired", repairs=["points had been changed", *(["a cell came back"] * (i == 2))])
    assert [(row.student, row.reasons) for row in gather(tiny, "averages").attention] == [("s2", ["a cell came back"])]


def test_a_suspicion_needs_a_person(tiny):
    mark(tiny, "ada", suspicions=["test_mean: `mean` calls torch", "test_mean_negative: `mean` calls torch"])
    (row,) = gather(tiny, "averages").attention
    assert row.reasons == ["May have tried to cheat: `mean` calls torch (test_mean, test_mean_negative)"]
    assert "<code>mean</code> calls torch" in report(tiny, "averages").read_text(encoding="utf-8")


def test_the_page_needs_no_network_links_to_pages_and_escapes(page):
    assert not re.findall(r'(?:src|href)="(?!#|\.\./)', own(page))
    assert '<a href="../../feedback/odd1/averages/averages.html">odd1</a>' in page
    assert "12 of 13 graded submissions have none yet: run make feedback ASSIGNMENT=averages" in words(page)
    assert "yours is &lt;b&gt;7" in page and "yours is <b>7" not in page
    assert {f"plot-{name}" for name in ("scores", "exercises", "tests", "separation", "students", "seconds")} <= set(
        re.findall(r'id="([\w-]+)"', page)
    )


def test_the_page_says_that_isolation_was_off(page, tiny):
    assert "1 of 14 submissions were graded with SANDBOX=none" in words(page)
    mark(tiny, "ada")
    assert "SANDBOX" not in words(report(tiny, "averages").read_text(encoding="utf-8"))


def test_nobody_can_be_recognized_in_an_anonymous_page(course, page):
    path = report(course, "averages", anonymous=True)
    said = path.read_text(encoding="utf-8")
    assert path.name == "averages-anonymous.html" and 'href="../' not in said
    said = own(said)
    for student in ("strong0", "divider1", "odd2", "empty", "slow", "broken"):
        assert student in page
        assert not re.search(rf"(?<![\w ]){student}\b", said), student
    assert "3 of 13" in words(said)


def test_a_report_before_grading_is_refused_with_a_message(tiny):
    with pytest.raises(CourseError, match=r"Nothing is graded yet for 'averages'\. Run: make grade"):
        report(tiny, "averages")


def test_a_class_at_zero_and_a_class_of_one_have_a_page(tiny):
    mark(tiny, "ada", (0, 0), (EMPTY, EMPTY))
    said = words(report(tiny, "averages").read_text(encoding="utf-8"))
    assert "No student passes test_mean, test_mean_negative" in said and "1 graded." in said


def test_missing_submissions_are_left_out_of_the_item_analysis(facts, page):
    assert facts.tried == 12 and len(facts.totals) == 13
    assert "empty" not in facts.exercises[0].lost and all("empty" not in item.lost for item in facts.tests)
    assert "1 of 13 students handed in no answer" in words(page)


def test_answers_that_nobody_has_graded_are_counted_and_say_nothing_about_the_question(tmp_path):
    course = with_question(tmp_path / "course")
    for student, points in (("ada", 1.5), ("bob", None), ("cleo", None)):
        answer(course, student, "One outlier.")
        if points is not None:
            by_formgrader(course, student, points)
    facts = gather(course, "averages")
    assert facts.answers == {"why": 2} and facts.attention == []
    assert facts.by_exercise == {
        "ada": {"mean": 3, "why": 1.5},
        "bob": {"mean": 3, "why": 0},
        "cleo": {"mean": 3, "why": 0},
    }
    (why,) = [item for item in facts.exercises if item.name == "why"]
    assert (why.full, why.share, why.lost) == (2, 0.75, ["ada"])
    said = words(report(course, "averages").read_text(encoding="utf-8"))
    assert "Not graded by hand yet, 2: why 2. Run make mark ASSIGNMENT=averages" in said
    assert "The hardest exercise" not in said


def test_an_answer_that_was_left_empty_is_counted(tmp_path):
    course = with_question(tmp_path / "course")
    for student, text in (("ada", "One outlier."), ("bob", None)):
        answer(course, student, text)
    by_formgrader(course, "ada", 1.5)
    assert next(item.empty for item in gather(course, "averages").exercises if item.name == "why") == ["bob"]
    assert "1 of 2 wrote nothing" in words(report(course, "averages").read_text(encoding="utf-8"))
