"""Moodle's grading worksheet, from the download to the upload; see moodle/README.md for where the format comes from."""

import csv
import shutil
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from grading.course import class_list
from grading.course.errors import CourseError
from grading.lms import worksheet
from grading.lms.collect import collect
from grading.lms.fill_worksheet import fill
from grading.lms.return_feedback import hand_back
from tests.lms.test_collect import answers, pack
from tests.lms.test_return_feedback import content, pages
from tests.marks import mark

HERE = Path(__file__).parent / "moodle"
ENGLISH, TEAMS, BLIND = (HERE / f"worksheet-{name}.csv" for name in ("en", "teams-de", "blind"))
BERLIN = ZoneInfo("Europe/Berlin")
MOODLE = "_assignsubmission_file"


def noted(course, student: str) -> str:
    return (course.root / "submitted" / student / "averages" / "timestamp.txt").read_text(encoding="utf-8").strip()


def lines(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def dicts(path: Path) -> list[dict[str, str]]:
    header, *rows = lines(path)
    return [dict(zip(header, row)) for row in rows]


def test_columns_are_found_in_every_language():
    english, german, blind = (worksheet.read(path, BERLIN) for path in (ENGLISH, TEAMS, BLIND))
    assert (english.highest, german.highest, blind.highest) == (3, 3, 3)
    assert [row.name for row in german.rows.values()] == ["Ada Lovelace", "Miles O'Brien", "Łukasz Ng", "Zoë Zero"]
    assert list(german.groups()) == ["Team 1", "R&D's", "Standardgruppe"]
    assert english.groups() == {} and blind.anonymous and not english.anonymous
    assert english.rows["9001"].identity == ("ada@uni.example", "101")
    assert english.rows["9001"].submitted == german.rows["58"].submitted == datetime(2026, 11, 20, 22, 58)
    assert english.rows["9004"].submitted is None
    # 02:30 happens twice when clocks go back: the student gets the earlier one, and it is said.
    assert english.rows["9002"].submitted == datetime(2026, 10, 25, 0, 30)
    assert "happened twice" in english.rows["9002"].remark


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id,name\na,b\n", "is no grading worksheet"),
        ("Identifier,Status,Grade,Scale,Time\nParticipant 1,x,,A,-\n", "A scale instead of points"),
    ],
)
def test_an_invalid_worksheet_is_refused_with_a_message(tmp_path, text, words):
    path = tmp_path / "worksheet.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CourseError, match=words):
        worksheet.read(path, BERLIN)


def test_without_a_class_list_the_worksheet_makes_it(tiny):
    files = {
        f"Ada Lovelace_9001{MOODLE}/averages.ipynb": "ada",
        f"Miles OBrien_9002{MOODLE}/averages.ipynb": "miles",  # Moodle strips the apostrophe
        f"Łukasz Ng_9003{MOODLE}/averages.ipynb": "ng",
        "Zoë Zero_9004_assignsubmission_onlinetext/onlinetext.html": "<p> see file",
    }
    done = collect(tiny, "averages", pack(tiny, files), worksheet=ENGLISH)
    assert answers(tiny) == {"101": "ada", "102": "miles", "lukasz@uni.example": "ng"}
    assert list(class_list.read(tiny)) == ["101", "102", "lukasz@uni.example", "104"]
    assert (noted(tiny, "101"), noted(tiny, "102")) == ("2026-11-20 23:58:00+00:00", "2026-10-25 02:30:00+00:00")
    assert list(done.refused) == ["104"] and done.missing == []
    assert done.left["Zoë Zero_9004_assignsubmission_onlinetext/onlinetext.html"].startswith("is text that 104 typed")


def test_a_class_list_decides_the_ids_and_numbers_decide_between_namesakes(tiny):
    text = "id,first_name,last_name,email\nal,Ada,Lovelace,ADA@uni.example\na2,Ada,Lovelace,a2@uni.example\n"
    text += "ob,Miles,O\u2019Brien,\n"
    (tiny.root / "students.csv").write_text(text, encoding="utf-8")
    files = {f"Ada Lovelace_9001{MOODLE}/averages.ipynb": "ada", f"Miles OBrien_9002{MOODLE}/averages.ipynb": "miles"}
    collect(tiny, "averages", pack(tiny, files), worksheet=ENGLISH)
    assert answers(tiny) == {"al": "ada", "ob": "miles"}


def test_a_worksheet_of_another_assignment_is_refused(tiny):
    files = {f"Grace Hopper_9001{MOODLE}/averages.ipynb": "x", f"Ada Lovelace_17{MOODLE}/averages.ipynb": "y"}
    done = collect(tiny, "averages", pack(tiny, files), worksheet=ENGLISH)
    assert answers(tiny) == {}
    assert all("is it that of another assignment?" in why for why in done.left.values()) and len(done.left) == 2


def test_groups_are_of_this_assignment_and_all_members_get_it(tiny):
    files = {f"Team 1_60{MOODLE}/averages.ipynb": "both", f"RDs_58{MOODLE}_/averages.ipynb": "alone"}
    done = collect(tiny, "averages", pack(tiny, files), worksheet=TEAMS)
    ids = ["ada@uni.example", "lukasz@uni.example", "miles@uni.example"]
    assert answers(tiny) == dict(zip(ids, ["both", "alone", "both"]))
    assert done.missing == ["zoe@uni.example"] and noted(tiny, ids[2]) == noted(tiny, ids[0])
    assert class_list.groups(class_list.read(tiny), "averages") == {}
    pages(tiny, *ids)
    assert list(content(hand_back(tiny, "averages").path)) == [
        f"Ada Lovelace_58{MOODLE}/averages.html",
        f"Łukasz Ng_60{MOODLE}/averages.html",
        f"Miles OBrien_59{MOODLE}/averages.html",
    ]


def test_groups_without_a_worksheet_come_from_the_class_list(tiny):
    text = "id,first_name,last_name,group\nal,Ada,L,averages: Team 1\nbn,Bo,N,Team 1\n"
    (tiny.root / "students.csv").write_text(text, encoding="utf-8")
    collect(tiny, "averages", pack(tiny, {f"Team 1_58{MOODLE}/averages.ipynb": "both"}))
    assert answers(tiny) == {"al": "both", "bn": "both"}
    pages(tiny, "al", "bn")
    done = hand_back(tiny, "averages")
    assert set(done.left) == {"al", "bn"} and "by its grading worksheet only" in done.left["al"]


def test_blind_marking_works_from_download_to_upload(tiny):
    files = {f"Participant_301{MOODLE}/averages.ipynb": "one", f"Participant_302{MOODLE}/averages.ipynb": "two"}
    done = collect(tiny, "averages", pack(tiny, files), worksheet=BLIND)
    assert answers(tiny) == {"participant-301": "one", "participant-302": "two"}
    assert done.missing == ["participant-303"] and not (tiny.root / "students.csv").exists()
    mark(tiny, "participant-301", (2, 1))
    filled = fill(tiny, "averages")
    rows = dicts(filled.path)
    assert [row["Grade"] for row in rows] == ["3", "", ""] and filled.graded == ["participant-301"]
    pages(tiny, "participant-301")
    assert list(content(hand_back(tiny, "averages").path)) == [f"Participant_301{MOODLE}/averages.html"]


def test_filled_in_it_is_the_same_worksheet_with_grades_and_comments(tiny):
    mark(tiny, "101", (2, 0))
    mark(tiny, "stranger", (2, 0))
    with tiny.gradebook() as gradebook:
        gradebook.find_comment("mean", "averages", "averages", "101").manual_comment = "=SUM(A1)"
        gradebook.find_submission_notebook("averages", "averages", "101").late_submission_penalty = 0.5
        gradebook.db.commit()
    done = fill(tiny, "averages", ENGLISH)
    assert worksheet.read(done.path, BERLIN).rows.keys() == worksheet.read(ENGLISH, BERLIN).rows.keys()
    before, after = (lines(path) for path in (ENGLISH, done.path))
    assert after[0] == before[0] and after[2:] == before[2:]  # only Ada is graded
    assert after[1][5] == "1.5" and "1.5 of 3 points (0.5 taken off for being late)" in after[1][-1]
    assert "=SUM(A1)" in after[1][-1] and not after[1][-1].startswith("=")
    assert after[1][:5] == before[1][:5] and after[1][6:-1] == before[1][6:-1]
    assert "no line" in done.left["stranger"] and done.left["102"].startswith("handed in nothing")


def test_points_with_another_maximum_are_refused_or_scaled(tiny):
    path = tiny.root / "worksheet.csv"
    shutil.copy(ENGLISH, path)
    path.write_text(path.read_text(encoding="utf-8").replace("3.00", "100.00"), encoding="utf-8")
    mark(tiny, "101", (2, 0))
    with pytest.raises(CourseError, match="maximum grade is 100, and averages has 3 points"):
        fill(tiny, "averages", path)
    done = fill(tiny, "averages", path, scale=True)
    assert dicts(done.path)[0]["Grade"] == "66.6667"
