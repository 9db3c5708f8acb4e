"""Records: written whole or not at all, read back as they were."""

import pytest

from grading.gradebook import records
from grading.gradebook.records import Record


def a_record(**more) -> Record:
    return Record("ada", "averages", records.GRADED, tests={"test_mean": {"points": 2.0}}, seconds=1.5, **more)


def test_a_saved_record_is_read_back(tiny):
    saved = a_record(score=2.0, max_score=3.0, repairs=["é"], graded_at="2026-01-01T00:00:00+00:00")
    saved.save(tiny)
    (found,) = records.read(tiny, "averages").values()
    assert found == saved and found.seconds == 1.5 and found.graded_at == saved.graded_at
    assert [path.name for path in (tiny.root / "records" / "averages").iterdir()] == ["ada.json"]


def test_the_unchanged_flag_is_not_saved(tiny):
    a_record(unchanged=True).save(tiny)
    assert records.read(tiny, "averages")["ada"].unchanged is False


@pytest.mark.parametrize("text", ["", "{", "[]", '{"other": 1}'])
def test_a_truncated_record_is_ignored(tiny, text):
    a_record().save(tiny)
    records.file_of(tiny, "averages", "ada").write_text(text, encoding="utf-8")
    assert records.read(tiny, "averages") == {}


@pytest.mark.parametrize(("state", "there"), [("graded", True), ("kernel_died", True), ("notebook_missing", False)])
def test_only_some_states_have_a_grade(state, there):
    assert Record("ada", "averages", state).has_grade is there


def test_a_reason_can_be_printed_and_written_whatever_it_holds(tiny):
    saved = a_record(reason="\ud800 \x1b]0;title\n" + "x" * 9000, repairs=["caf\udce9.ipynb"])
    saved.tests["test_mean"]["error"] = "\ud800"
    saved.save(tiny)
    found = records.read(tiny, "averages")["ada"]
    assert found.reason.startswith("\\ud800 \\x1b]0;title\\nxxx") and len(found.reason) < 2100
    assert found.repairs == ["caf\\udce9.ipynb"] and found.tests == saved.tests


def test_a_name_that_is_not_valid_text_can_be_printed(tiny):
    Record("caf\udce9", "averages", "not_gradable").save(tiny)
    assert list(records.read(tiny, "averages")) == ["caf\\udce9"]
