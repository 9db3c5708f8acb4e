"""The benchmark measures whole commands, on classes that are the same each time."""

import pytest

from grading.benchmark.comparison import Report, Result, mixed_class, write_report
from grading.benchmark.hand_in import HandIn
from grading.benchmark.measure import Cost
from grading.benchmark.stages import Stages
from grading.course import notebooks
from grading.course.folder import Course
from tests.conftest import ROOT


def test_the_class_is_the_same_each_time_and_mixed():
    course = Course(ROOT)
    students = mixed_class(course, "optimizers", 40)
    assert students == mixed_class(course, "optimizers", 40)
    exercises = len(notebooks.tests_of(notebooks.read(course.source("optimizers"))))
    wrong = sum(len(student.answers) for student in students) / (40 * exercises)
    assert 0.15 < wrong < 0.35


def made(wall: float = 120, otter: Cost | None = None) -> Report:
    growth = {10: Cost(20, 30, 2**30), 110: Cost(wall, 130, 2**30)}
    stages = Stages(references=0.2, cells=0.02, questions=0.03, sanitize=0.02, judge=0.06, kernel=0.1, save=0.02)
    result = Result(
        "averages",
        2,
        Cost(60, 50, 0),
        Cost(8, 8, 0),
        growth,
        Cost(4, 1, 0),
        Cost(1, 1, 0),
        stages,
        HandIn([0.5, 0.7], 10, 4.0, 2**30),
        ["ada"],
        otter,
    )
    return Report([result], 2, {"export": Cost(3, 2, 0)})


def test_the_report_shows_ratio_growth_stages_and_other_scores(tmp_path):
    report = made()
    assert report.results[0].each == pytest.approx((10, 1))
    assert write_report(report, tmp_path / "report.md") == {}
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "| averages | 110 | 30.0 | 1.09 | **28** | 25.0 | 1.18 | 1.00 GiB | NO: ada |" in text
    assert "| averages | 20 | 30 | 20 | 60 | 100 | 20 | 200 | **4.0** | 200 |" in text
    assert "| averages | 10 | 4.0 | 0.40 | 0.10 | **0.50** | 1.0 |" in text
    assert "| averages | **0.60** | 0.70 | 10 | 4.0 | 1.00 GiB | 34.0 |" in text
    assert "| export | 3.0 | 2.0 |" in text
    assert (tmp_path / "report.png").stat().st_size > 5000


def test_otter_is_in_the_report_if_it_was_measured(tmp_path):
    report = made(otter=Cost(40, 36, 0))
    write_report(report, tmp_path / "report.md")
    assert "| averages | 20.0 | 18.0 | 30.0 | 1.09 |" in (tmp_path / "report.md").read_text(encoding="utf-8")
    assert report.ratios()["averages, otter run: times as fast as stock"] == 1.5
    write_report(made(), tmp_path / "without.md")
    assert "otter" not in (tmp_path / "without.md").read_text(encoding="utf-8")


def test_ratios_that_changed_since_the_last_report_are_listed(tmp_path):
    write_report(made(), tmp_path / "report.md")
    changed = write_report(made(wall=60), tmp_path / "report.md")
    assert changed == {"averages, grade 110: times as fast as stock": (27.5, 55.0)}
