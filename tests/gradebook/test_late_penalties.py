"""The late rule, due dates and extensions."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from grading.course.errors import CourseError
from grading.course.folder import Course
from grading.gradebook import late_penalties, scores
from grading.gradebook.late_penalties import Rule
from tests.marks import mark

DAY, HOUR = 86400, 3600


@pytest.mark.parametrize(
    ("rule", "seconds", "points"),
    [
        ("none", 9 * DAY, 0),
        ("no points", 1, 20),
        ("10 % a day", 0, 0),
        ("10 % a day", 1, 2),
        ("10 % a day", DAY, 2),
        ("10 % a day", DAY + 1, 4),
        ("10 % a day", 99 * DAY, 20),
        ("10 % a day, at most 50 %", 99 * DAY, 10),
        ("2.5 % an hour, 15 minutes free", 15 * 60, 0),
        ("2.5 % an hour, 15 minutes free", 15 * 60 + HOUR, 0.5),
        ("25% per week, 1 day free, at most 30%", 2 * DAY, 5),
    ],
)
def test_each_late_rule_gives_its_penalty(rule, seconds, points):
    assert Rule.parse(rule).penalty(20, seconds) == pytest.approx(points)


@pytest.mark.parametrize("rule", ["10 %", "at most 50 %", "ten % a day", "10 % a day and more"])
def test_an_unknown_rule_is_refused_with_a_message(tiny, rule):
    tiny.config.LatePolicy.rule = rule
    with pytest.raises(CourseError, match=r"c\.LatePolicy\.rule"):
        late_penalties.apply(tiny)


def hand_in_at(course: Course, student: str, when: datetime) -> None:
    mark(course, student)
    with course.gradebook() as gradebook:
        gradebook.find_submission("averages", student).timestamp = when
        gradebook.db.commit()


def after_penalty(course: Course) -> dict[str, float]:
    with course.gradebook() as gradebook:
        return {name: s.score for name, s in scores.read(gradebook, "averages").items()}


@pytest.fixture
def course(tiny):
    """Due at noon UTC; one is in time, one two hours late, one three days."""
    tiny.config.LatePolicy.rule = "10 % a day"
    tiny.config.LatePolicy.due = {"averages": "2026-11-20 13:00 +0100"}
    hand_in_at(tiny, "ada", datetime(2026, 11, 20, 11, 59))
    hand_in_at(tiny, "bob", datetime(2026, 11, 20, 14, 0))
    hand_in_at(tiny, "cleo", datetime(2026, 11, 23, 11, 0))
    return tiny


def test_penalties_follow_the_due_date(course):
    assert set(late_penalties.apply(course)) == {("averages", "bob"), ("averages", "cleo")}
    assert after_penalty(course) == pytest.approx({"ada": 3, "bob": 2.7, "cleo": 2.1})
    assert late_penalties.apply(course) == {}


def test_an_extension_counts_and_can_be_taken_back(course):
    path = course.root / "students.csv"
    path.write_text("id,first_name,extensions\ncleo,Cleo,averages: 2\n", encoding="utf-8")
    late_penalties.apply(course)
    assert after_penalty(course)["cleo"] == pytest.approx(2.7)
    path.write_text("id,first_name,extensions\ncleo,Cleo,\n", encoding="utf-8")
    late_penalties.apply(course)
    assert after_penalty(course)["cleo"] == pytest.approx(2.1)
    with course.gradebook() as gradebook:
        assert gradebook.find_student("cleo").first_name == "Cleo"


def test_an_extension_ends_at_the_clock_time_of_the_due_date(tiny):
    tiny.config.LatePolicy.timezone = "Europe/Berlin"
    tiny.config.LatePolicy.rule = "no points"
    tiny.config.LatePolicy.due = {"averages": "2026-10-24 23:59"}  # clocks go back the night after
    (tiny.root / "students.csv").write_text("id,extensions\nada,1\nbob,1\n", encoding="utf-8")
    hand_in_at(tiny, "ada", datetime(2026, 10, 25, 22, 58))
    hand_in_at(tiny, "bob", datetime(2026, 10, 25, 23, 1))
    late_penalties.apply(tiny)
    assert after_penalty(tiny) == {"ada": 3, "bob": 0}


def test_without_a_due_date_nobody_is_late(tiny):
    tiny.config.LatePolicy.rule = "no points"
    (tiny.root / "students.csv").write_text("id,extensions\nada,3\n", encoding="utf-8")
    hand_in_at(tiny, "ada", datetime(2026, 11, 20))
    assert late_penalties.apply(tiny) == {} and after_penalty(tiny) == {"ada": 3}


def test_faulty_due_dates_are_refused_with_a_message(tiny):
    for due in ({"averages": "soon"}, {"medians": "2026-11-20"}):
        tiny.config.LatePolicy.due = due
        with pytest.raises(CourseError, match=r"nbgrader_config\.py"):
            late_penalties.apply(tiny)


def test_nbgrader_itself_uses_the_rule(tiny):
    """The preprocessor that `nbgrader autograde` runs finds the plugin through the configuration."""
    from nbgrader.preprocessors import AssignLatePenalties

    tiny.config.LatePolicy.rule = "no points"
    preprocessor = AssignLatePenalties(config=tiny.config)
    preprocessor.init_plugin()
    assert preprocessor.plugin_inst.late_submission_penalty("ada", 3.0, 1.0) == 3.0


@pytest.mark.parametrize(
    ("zone", "due", "in_time", "late"),
    [
        ("UTC", "2026-11-20 23:59 +0100", datetime(2026, 11, 20, 22, 58), datetime(2026, 11, 20, 23, 0)),
        ("UTC", "2026-11-20 23:59 -0500", datetime(2026, 11, 21, 4, 58), datetime(2026, 11, 21, 5, 0)),
        ("Europe/Berlin", "2026-10-24 23:59", datetime(2026, 10, 24, 21, 58), datetime(2026, 10, 24, 22, 0)),
        ("Europe/Berlin", "2026-10-25 23:59", datetime(2026, 10, 25, 22, 58), datetime(2026, 10, 25, 23, 0)),
        ("America/New_York", "2026-03-08 23:59", datetime(2026, 3, 9, 3, 58), datetime(2026, 3, 9, 4, 0)),
    ],
)
def test_a_minute_before_the_due_date_is_in_time_and_a_minute_after_it_is_late(tiny, zone, due, in_time, late):
    tiny.config.LatePolicy.rule = "10 % a day"
    tiny.config.LatePolicy.timezone = zone
    tiny.config.LatePolicy.due = {"averages": due}
    hand_in_at(tiny, "before", in_time)
    hand_in_at(tiny, "after", late)
    late_penalties.apply(tiny)
    assert after_penalty(tiny) == pytest.approx({"before": 3, "after": 2.7})
    shown = (in_time + timedelta(minutes=1)).replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
    assert late_penalties.due_in_words(tiny, "averages").startswith(f"{shown:%Y-%m-%d %H:%M %z}")


def test_every_output_includes_the_penalty_also_after_a_manual_grade(course):
    import csv

    from grading.lms.export import export
    from grading.report import table
    from grading.report.page import gather

    def totals() -> dict[str, tuple[float, ...]]:
        late_penalties.apply(course)
        table.write_csv(course, ["averages"], course.root / "grades.csv")
        with (course.root / "grades.csv").open(encoding="utf-8", newline="") as file:
            written = {row["student"]: float(row["total"]) for row in csv.DictReader(file)}
        with export(course, ["averages"])[0].open(encoding="utf-8", newline="") as file:
            exported = {row["Username"]: float(row["averages"]) for row in csv.DictReader(file)}
        shown = {result.student: result.total for result in table.collect(course, "averages")}
        reported = gather(course, "averages").totals
        assert written.keys() == exported.keys() == shown.keys() == reported.keys()
        return {student: (written[student], exported[student], shown[student], reported[student]) for student in shown}

    assert totals()["cleo"] == pytest.approx((2.1,) * 4)
    with course.gradebook() as gradebook:
        gradebook.find_grade("test_mean", "averages", "averages", "cleo").manual_score = 1.0
        gradebook.db.commit()
    assert totals() == {
        "ada": pytest.approx((3,) * 4),
        "bob": pytest.approx((2.7,) * 4),
        "cleo": pytest.approx((1.4,) * 4),
    }
