"""What Moodle, Canvas and students hand out, as it really looks."""

import json
import re
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from nbgrader.apps import ZipCollectApp

from grading.cli.main import main
from grading.course import notebooks
from grading.course.errors import CourseError
from grading.course.folder import Course
from grading.gradebook import handed_in
from grading.lms.collect import collect, prepare
from grading.lms.undo import undo
from tests.conftest import RIGHT

STUDENTS = """id,first_name,last_name,lms_id,group
al,Ada,Lovelace,101,
bn,Łukasz,Ng,102,
cd,Cleo,de la Cruz,,
j1,Jo,Smith,104,
j2,Jo,Smith,105,
"""
MOODLE = "_assignsubmission_file_"


@pytest.fixture
def course(tiny) -> Course:
    (tiny.root / "students.csv").write_text(STUDENTS, encoding="utf-8")
    return tiny


def notebook(course: Course, text: str = RIGHT) -> str:
    filled = notebooks.read(course.root / "release" / "averages" / "averages.ipynb")
    notebooks.by_id(filled)["mean"].source = text
    return json.dumps(filled)


def pack(course: Course, files: dict[str, str], hour: int = 12, at_once: bool = False) -> Path:
    """A zip file; a text of one word becomes a notebook with this answer."""
    path = course.root.parent / "download.zip"
    with zipfile.ZipFile(path, "w") as target:
        for minute, (name, text) in enumerate(files.items()):
            text = text if text.startswith("{") or " " in text else notebook(course, text)
            target.writestr(zipfile.ZipInfo(name, (2026, 11, 20, hour, 0 if at_once else minute, 0)), text)
    return path


def answers(course: Course) -> dict[str, str]:
    """What is in submitted/, by student."""
    found = {}
    for path in (course.root / "submitted").glob("*/averages/averages.ipynb"):
        found[path.parent.parent.name] = notebooks.by_id(notebooks.read(path))["mean"].source
    return found


def test_moodle_with_folders(course):
    files = {
        f"Ada Lovelace_9001{MOODLE}/averages.ipynb": "ada",
        f"Łukasz Ng_9002{MOODLE}/averages (1).ipynb": "ng",
        f"Łukasz Ng_9002{MOODLE}/notes.txt": "my notes",
        f"TEAM-A-cleo DE LA cruz_9003{MOODLE}/my work.ipynb": "cleo",
        f"Jo Smith_9004{MOODLE}/averages.ipynb": "jo",
        f"Grace Hopper_9005{MOODLE}/averages.ipynb": "grace",
        "Ada Lovelace_9001_assignsubmission_onlinetext_onlinetext.html": "<p> see file",
    }
    done = collect(course, "averages", pack(course, files))
    assert answers(course) == {"al": "ada", "bn": "ng", "cd": "cleo"}
    assert {name.split("_")[0]: why for name, why in done.left.items() if "averages" in name} == {
        "Jo Smith": "j1 and j2 of students.csv are both called Jo Smith",
        "Grace Hopper": "nobody in students.csv is called Grace Hopper",
    }
    assert done.left[f"Łukasz Ng_9002{MOODLE}/notes.txt"] == "is no notebook (handed in by bn)"
    assert "is text that al typed" in done.left["Ada Lovelace_9001_assignsubmission_onlinetext_onlinetext.html"]
    assert done.remarks == {"cd": ["was called my work.ipynb"]} and done.missing == ["j1", "j2"]
    assert (course.root / "submitted/al/averages/timestamp.txt").read_text(encoding="utf-8").startswith("2026-11-20")


def test_moodle_without_folders_and_anonymous(course):
    files = {
        f"Ada Lovelace_9001{MOODLE}averages.ipynb": "ada",
        "Łukasz Ng_9003_assignsubmission_file/averages.ipynb": "ng",  # as Moodle 4.1 and later name the folder
        f"Participant_9002{MOODLE}averages.ipynb": "who",
    }
    done = collect(course, "averages", pack(course, files))
    assert answers(course) == {"al": "ada", "bn": "ng"}
    assert "the download is anonymous" in done.left[f"Participant_9002{MOODLE}averages.ipynb"]


def test_canvas(course):
    files = {
        "lovelaceada_101_5001_averages.ipynb": "first",
        "lovelaceada_LATE_101_5007_averages-1.ipynb": "second",
        "ngukasz_102_5002_averages-2.ipynb": "ng",
        "delacruzcleo_103_5003_averages.ipynb": "cleo",
        "smithjo_199_5004_averages.ipynb": "jo",
        "smithjo_104_5005_other.ipynb": '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}',
    }
    done = collect(course, "averages", pack(course, files))
    assert answers(course) == {"al": "second", "bn": "ng", "cd": "cleo"}
    assert "later or better named one" in done.left["lovelaceada_101_5001_averages.ipynb"]
    assert "nobody in students.csv has the lms_id 199" in done.left["smithjo_199_5004_averages.ipynb"]
    assert "has none of its own cells (handed in by j1)" in done.left["smithjo_104_5005_other.ipynb"]
    assert "the LMS says late, but not when" in done.remarks["al"][0]
    assert "matched by name; cd has no lms_id in students.csv, Canvas's is 103" in done.remarks["cd"][0]


def test_canvas_groups_share_a_file_and_typed_answers_are_listed(course):
    text = STUDENTS.replace("102,", "102,team_1").replace("Cleo,de la Cruz,,", "Cleo,de la Cruz,103,team_1")
    text = text.replace("104,", "104,The Best").replace("105,", "105,The Best")
    (course.root / "students.csv").write_text(text, encoding="utf-8")
    files = {
        "team_1_103_5001_averages.ipynb": "team",
        "thebest_LATE_999_5002_averages.ipynb": "best",  # its representative is not in the class list
        "lovelaceada_101_text.html": "<p> my answer",
        "lovelaceada_101_link.html": "<p> my link",
    }
    done = collect(course, "averages", pack(course, files))
    assert answers(course) == {"bn": "team", "cd": "team", "j1": "best", "j2": "best"}
    assert list(done.refused) == ["al"] and "is text that al typed" in done.left["lovelaceada_101_text.html"]
    assert "the LMS says late, but not when" in done.remarks["j1"][0]


def test_a_canvas_group_may_have_one_member(course):
    text = STUDENTS.replace("102,", "102,Team 1_7").replace("104,", "104,The Best")
    (course.root / "students.csv").write_text(text, encoding="utf-8")
    files = {"team1_7_102_5001_averages.ipynb": "team", "thebest_999_5002_averages.ipynb": "best"}
    collect(course, "averages", pack(course, files))
    assert answers(course) == {"bn": "team", "j1": "best"}


ANONYMOUS = {
    "anon_acJ4Q_5001_averages.ipynb": "one",
    "LATE_anon_b7XyZ_5002_averages-1.ipynb": "two",
    "anon_12345_5003_averages.ipynb": "three",
    "anon_Q9Rst_text.html": "<p> typed",
}


def test_canvas_anonymous(course):
    done = collect(course, "averages", pack(course, ANONYMOUS))
    assert answers(course) == {"anon-acJ4Q": "one", "anon-b7XyZ": "two", "anon-12345": "three"}
    assert "the LMS says late" in done.remarks["anon-b7XyZ"][0] and done.missing == []
    assert "is text that anon-Q9Rst typed" in done.left["anon_Q9Rst_text.html"]


def test_canvas_anonymous_with_ids_in_the_class_list(course):
    text = "id,anonymous_id\nal,averages: acJ4Q\nbn,averages: b7XyZ\ncd,\n"
    (course.root / "students.csv").write_text(text, encoding="utf-8")
    done = collect(course, "averages", pack(course, ANONYMOUS))
    assert answers(course) == {"al": "one", "bn": "two"} and done.missing == ["cd"]
    nobody = "nobody in students.csv has the anonymous_id 12345 in averages"
    assert done.left["anon_12345_5003_averages.ipynb"] == nobody
    assert (course.root / "downloaded/averages/extracted/anon_12345_5003_averages.ipynb").is_file()


def test_zips_of_students_are_opened(course):
    inner = course.root.parent / "inner.zip"
    with zipfile.ZipFile(inner, "w") as target:
        target.writestr("homework/averages.ipynb", notebook(course, "zipped"))
    path = pack(course, {f"Ada Lovelace_9001{MOODLE}/notes.txt": "my notes"})
    with zipfile.ZipFile(path, "a") as target:
        target.write(inner, f"Ada Lovelace_9001{MOODLE}/work.zip")
        target.write(inner, f"Łukasz Ng_9001{MOODLE}work.zip")
    collect(course, "averages", path)
    assert answers(course) == {"al": "zipped", "bn": "zipped"}
    path = pack(course, {})
    with zipfile.ZipFile(path, "a") as target:
        target.write(inner, "smithjo_LATE_104_5005_work.zip")
    collect(course, "averages", path)
    assert answers(course)["j1"] == "zipped"
    unpacked = course.root.parent / "unpacked"  # by hand: what students packed is still packed
    unpacked.mkdir()
    inner.rename(unpacked / "smithjo_105_5006_work.zip")
    collect(course, "averages", unpacked)
    assert answers(course)["j2"] == "zipped"


def test_a_plain_folder_with_and_without_a_class_list(course):
    folder = course.root.parent / "handed-in"
    for name in ("al/averages.ipynb", "bn.ipynb", "averages_cd.ipynb", "j1_averages.ipynb", "nobody/averages.ipynb"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(notebook(course, name.split("/")[0].replace(".ipynb", "")), encoding="utf-8")
    (folder / "j2").mkdir()
    (folder / "j2" / "averages.ipynb").symlink_to(course.source("averages"))
    done = collect(course, "averages", folder)
    assert set(answers(course)) == {"al", "bn", "cd", "j1"}
    assert done.left == {
        "nobody/averages.ipynb": "its path names no id of students.csv",
        "j2/averages.ipynb": "is a link or no plain file",
    }
    (course.root / "students.csv").unlink()
    done = collect(course, "averages", folder)
    assert done.new == ["nobody"] and done.unchanged == ["al", "bn", "cd", "j1"]


def test_two_notebooks_of_which_either_may_count_are_not_guessed(course):
    files = {f"Ada Lovelace_9001{MOODLE}/{name}.ipynb": name for name in ("one", "two")}
    done = collect(course, "averages", pack(course, files, at_once=True))
    assert answers(course) == {}
    assert set(done.left.values()) == {"al handed in one.ipynb, two.ipynb, and it is not clear which one counts"}


@pytest.mark.parametrize("name", ["averages-Copy1", "Copy of averages", "averages 2", "Untitled"])
def test_an_empty_release_beside_the_work_does_not_count(course, name):
    empty = notebooks.by_id(notebooks.read(course.root / "release" / "averages" / "averages.ipynb"))["mean"].source
    files = {"al/averages.ipynb": notebook(course, empty), f"al/{name}.ipynb": "ada", "bn/averages.ipynb": "ng"}
    done = collect(course, "averages", pack(course, files), "folder")
    assert answers(course) == {"al": "ada", "bn": "ng"}
    words = f"all its gaps are empty, and al handed in al/{name}.ipynb with answers"
    assert done.left == {"al/averages.ipynb": words}


def test_a_notebook_with_another_name_is_known_as_the_grader_knows_it(course):
    kept = json.loads(notebook(course, "ada"))
    for cell in kept["cells"]:
        cell["metadata"] = {}
    ids, nothing = json.dumps(kept), json.loads(json.dumps(kept))
    for number, cell in enumerate(nothing["cells"]):
        cell["id"] = f"new-{number}"
    files = {"al/Untitled.ipynb": ids, "bn/notebook1a2b.ipynb": json.dumps(nothing), "cd/averages.IPYNB": "cleo"}
    done = collect(course, "averages", pack(course, files), "folder")
    assert sorted(path.parts[-3] for path in course.root.glob("submitted/*/averages/averages.ipynb")) == [
        "al",
        "bn",
        "cd",
    ]
    assert done.left == {}


def test_a_later_download_replaces_keeps_the_old_one_and_leaves_the_rest_alone(course):
    names = {name: f"{name}_9001{MOODLE}/averages.ipynb" for name in ("Ada Lovelace", "Łukasz Ng")}
    collect(course, "averages", pack(course, {names["Ada Lovelace"]: "one", names["Łukasz Ng"]: "ng"}))
    mended = course.root / "submitted" / "bn" / "averages" / "timestamp.txt"
    mended.write_text("2026-11-19 08:00 UTC", encoding="utf-8")
    done = collect(course, "averages", pack(course, {names["Ada Lovelace"]: "two", names["Łukasz Ng"]: "ng"}, 13))
    assert (done.replaced, done.unchanged, done.new) == (["al"], ["bn"], [])
    assert answers(course) == {"al": "two", "bn": "ng"} and "08:00" in mended.read_text(encoding="utf-8")
    (kept,) = (course.root / "downloaded" / "averages" / "replaced").glob("al-*/averages.ipynb")
    assert notebooks.by_id(notebooks.read(kept))["mean"].source == "one"


def test_groups_share_one_submission(course):
    (course.root / "students.csv").write_text(STUDENTS.replace("101,", "101,red").replace("102,", "102,red"))
    ada, ng = (f"{name}_9001{MOODLE}/averages.ipynb" for name in ("Ada Lovelace", "Łukasz Ng"))
    done = collect(course, "averages", pack(course, {ada: "both"}))
    assert answers(course) == {"al": "both", "bn": "both"} and done.shared == {"bn": "al"}
    collect(course, "averages", pack(course, {ada: "again"}, 13))
    assert answers(course) == {"al": "again", "bn": "again"}
    done = collect(course, "averages", pack(course, {ada: "again", ng: "last"}, 14))
    assert answers(course) == {"al": "last", "bn": "last"}
    assert "bn's was the last and counts for all" in done.remarks["bn"][0]


def test_groups_whose_members_differ_and_no_times_keep_their_own(course):
    (course.root / "students.csv").write_text(STUDENTS.replace("101,", "101,red").replace("102,", "102,red"))
    files = {"lovelaceada_101_5001_averages.ipynb": "one", "ngukasz_102_5002_averages.ipynb": "two"}
    done = collect(course, "averages", pack(course, files))
    assert answers(course) == {"al": "one", "bn": "two"}
    assert "each keeps their own" in done.remarks["al"][0]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "holds no file that can be collected"),
        ({f"A B_1{MOODLE}/x.ipynb": "x", "ab_1_2_x.ipynb": "x"}, "some of its names are Moodle's, some Canvas's"),
    ],
)
def test_ambiguous_downloads_are_refused(course, files, words):
    with pytest.raises(CourseError, match=words):
        collect(course, "averages", pack(course, files))


def test_without_a_class_list_nobody_is_guessed(tiny):
    path = pack(tiny, {f"Ada Lovelace_1{MOODLE}/averages.ipynb": "x"})
    with pytest.raises(CourseError, match=r"students\.csv is needed"):
        collect(tiny, "averages", path)
    with pytest.raises(CourseError, match="no such file or folder"):
        collect(tiny, "averages", tiny.root / "nowhere.zip")


def test_nbgraders_own_command_takes_the_plugins(course, monkeypatch):
    archive = course.root / "downloaded" / "averages" / "archive"
    archive.mkdir(parents=True)
    files = {f"Ada Lovelace_9001{MOODLE}/averages.ipynb": "ada", f"No One_9002{MOODLE}/averages.ipynb": "x"}
    pack(course, files).replace(archive / "download.zip")
    monkeypatch.chdir(course.root)
    app = ZipCollectApp()
    app.initialize(
        [
            "averages",
            "--collector=grading.lms.collect.MoodleCollector",
            "--extractor=grading.lms.collect.SafeExtractor",
        ]
    )
    app.start()
    assert answers(course) == {"al": "ada"}


NAMES = ("Ada Lovelace", "Łukasz Ng", "cleo de la cruz")


@pytest.mark.parametrize("at_once", [True, False])
def test_times_of_the_download_are_not_taken_as_hand_in_times(course, at_once):
    path = pack(course, {f"{name}_9001{MOODLE}/averages.ipynb": name.split()[0] for name in NAMES}, 12, at_once)
    done = collect(course, "averages", path)
    assert len(done.new) == 3
    assert bool(done.warning) is at_once and ("2026-11-20 12:00 +0000 (UTC)" in done.warning) is at_once
    assert len(list(course.root.glob("submitted/*/averages/timestamp.txt"))) == (0 if at_once else 3)


def test_the_clock_of_the_archive_is_that_of_the_course(course):
    from grading.intake.submission import find

    settings = course.root / "nbgrader_config.py"
    line = "c.LatePolicy.timezone = 'America/New_York'\n"
    settings.write_text(settings.read_text(encoding="utf-8") + line, encoding="utf-8")
    course = Course(course.root)
    collect(course, "averages", pack(course, {f"Ada Lovelace_9001{MOODLE}/averages.ipynb": "ada"}, 23))
    (found,) = find(course, "averages")
    assert found.timestamp().isoformat() == "2026-11-21T04:00:00"


def inner(course: Course, files: dict[str, str]) -> Path:
    path = course.root.parent / "inner.zip"
    with zipfile.ZipFile(path, "w") as target:
        for name, text in files.items():
            target.writestr(zipfile.ZipInfo(name, (2001, 1, 1, 0, 0, 0)), notebook(course, text))
    return path


@pytest.mark.parametrize(
    ("outer", "theirs"),
    [
        ("Ada Lovelace_9001_assignsubmission_file_/", f"Łukasz Ng_9002{MOODLE}/averages.ipynb"),
        ("Ada Lovelace_9001_assignsubmission_file_", f"x/Łukasz Ng_9002{MOODLE}/averages.ipynb"),
        ("lovelaceada_101_5001_", "ngukasz_102_5002_averages.ipynb"),
        ("lovelaceada_101_5001_", "bn/ngukasz_102_5002_averages.ipynb"),
        ("al/", "bn/averages.ipynb"),
        ("al/", "bn_averages.ipynb"),
    ],
)
def test_a_name_inside_a_students_archive_identifies_nobody(course, outer, theirs):
    outer_of_ng = {
        "A": f"Łukasz Ng_9002{MOODLE}/averages.ipynb",
        "l": "ngukasz_102_5002_averages.ipynb",
        "a": "bn.ipynb",
    }
    path = pack(course, {outer_of_ng[outer[0]]: "honest"})
    with zipfile.ZipFile(path, "a") as target:
        info = zipfile.ZipInfo(f"{outer}work.zip", (2026, 11, 20, 15, 0, 0))
        target.writestr(info, inner(course, {theirs: "forged"}).read_bytes())
    collect(course, "averages", path)
    assert answers(course) == {"al": "forged", "bn": "honest"}, "the archive is Ada's, whatever it says"
    stamp = course.root / "submitted/al/averages/timestamp.txt"
    assert (
        not stamp.exists()
        or stamp.read_text(encoding="utf-8").startswith("2026-11-20 15")
        or "T15" in stamp.read_text()
    )


@pytest.mark.parametrize("name", ["</script><script>alert(1)", "a'b", 'a"b', "a;b", "=1+1", "\x1b[2J", "-rf", " a"])
def test_ids_are_limited_to_safe_characters(tiny, name):
    done = collect(tiny, "averages", pack(tiny, {f"{name}.ipynb": "x", "ada.ipynb": "y"}), "folder")
    assert done.new == ["ada"] and any("characters" in why for why in done.left.values())


def test_nothing_handed_in_and_refused_are_two_lists(course):
    files = {f"Ada Lovelace_9001{MOODLE}/notes.txt": "my notes", f"Łukasz Ng_9002{MOODLE}/averages.ipynb": "ng"}
    files[f"Cleo de la Cruz_9003{MOODLE}/work.zip"] = "PK and no more"
    done = collect(course, "averages", pack(course, files))
    assert list(done.refused) == ["al", "cd"] and done.missing == ["j1", "j2"]
    assert "notes.txt: is no notebook" in done.refused["al"] and "work.zip: cannot be opened" in done.refused["cd"]
    there = handed_in.overview(course, "averages")
    assert there.not_collected == done.refused and there.missing == ["j1", "j2"] and there.waiting == ["bn"]
    collect(course, "averages", pack(course, {f"Ada Lovelace_9001{MOODLE}/averages.ipynb": "ada"}))
    assert handed_in.overview(course, "averages").not_collected == {}


def test_a_refused_submission_is_that_of_the_whole_group(course):
    (course.root / "students.csv").write_text(STUDENTS.replace("101,", "101,red").replace("102,", "102,red"))
    collect(course, "averages", pack(course, {f"Ada Lovelace_9001{MOODLE}/notes.txt": "my notes"}))
    assert list(handed_in.overview(course, "averages").not_collected) == ["al", "bn"]


def second_assignment(course: Course) -> None:
    """`medians` shares a locked cell and its name with `averages`, and has exercises of its own."""
    folder = course.root / "source" / "medians"
    folder.mkdir()
    made = notebooks.read(course.source("averages"))
    for name, cell in notebooks.by_id(made).items():
        if "mean" in name:
            cell.metadata.nbgrader["grade_id"] = name.replace("mean", "median")
            cell.source, cell.id = cell.source.replace("mean", "median"), cell.id.replace("mean", "median")
    notebooks.write(made, folder / "medians.ipynb")


def test_a_notebook_of_another_assignment_is_known_by_its_own_exercises(course):
    second_assignment(course)
    other = json.dumps(notebooks.read(course.source("medians")))
    files = {
        f"Ada Lovelace_1{MOODLE}/averages.ipynb": other,  # the right name does not make it the right notebook
        f"Łukasz Ng_2{MOODLE}/averages.ipynb": "ng",
        f"Łukasz Ng_2{MOODLE}/mine.ipynb": other,
    }
    done = collect(course, "averages", pack(course, files))
    assert answers(course) == {"bn": "ng"}
    assert done.other == {"al": "medians"} and "al" not in [*done.missing, *done.refused]
    assert {why.split(" (")[0] for why in done.left.values()} == {"is a notebook of medians, not of averages"}


def test_preparing_changes_nothing_and_says_what_would_be(course):
    ada, ng = (f"{name}_1{MOODLE}/averages.ipynb" for name in ("Ada Lovelace", "Łukasz Ng"))
    collect(course, "averages", pack(course, {ada: "one"}))
    made = prepare(course, "averages", pack(course, {ada: "two", ng: "ng", f"No One_3{MOODLE}/x.ipynb": "x"}, 13))
    assert (made.new, made.replaced, made.unchanged, len(made.left)) == (["bn"], ["al"], [], 1)
    assert answers(course) == {"al": "one"}


def test_undo_brings_the_last_state_back(course):
    (course.root / "students.csv").write_text(STUDENTS.replace("101,", "101,red").replace("102,", "102,red"))
    ada, cleo = (f"{name}_1{MOODLE}/averages.ipynb" for name in ("Ada Lovelace", "Cleo de la Cruz"))
    collect(course, "averages", pack(course, {ada: "one"}))
    mended = course.root / "submitted" / "bn" / "averages" / "timestamp.txt"
    mended.write_text("2026-11-19 08:00 UTC", encoding="utf-8")
    before = {path: path.read_bytes() for path in (course.root / "submitted").rglob("*") if path.is_file()}
    names = (course.root / "downloaded" / "averages" / "names.json").read_text(encoding="utf-8")
    collect(course, "averages", pack(course, {ada: "two", cleo: "cleo"}, 13))
    assert answers(course) == {"al": "two", "bn": "two", "cd": "cleo"}
    done = undo(course, "averages")
    assert (done.restored, done.removed, done.left) == (["al", "bn"], ["cd"], [])
    assert before == {path: path.read_bytes() for path in (course.root / "submitted").rglob("*") if path.is_file()}
    assert (course.root / "downloaded" / "averages" / "names.json").read_text(encoding="utf-8") == names
    with pytest.raises(CourseError, match="no collection to undo"):
        undo(course, "averages")


def test_undo_leaves_alone_what_was_changed_since(course):
    collect(course, "averages", pack(course, {f"Ada Lovelace_1{MOODLE}/averages.ipynb": "one"}))
    path = course.root / "submitted" / "al" / "averages" / "averages.ipynb"
    path.write_text(notebook(course, "by hand"), encoding="utf-8")
    assert undo(course, "averages").left == ["al"] and answers(course) == {"al": "by hand"}


def test_the_command_asks_before_it_copies(course):
    path = pack(course, {f"Ada Lovelace_1{MOODLE}/averages.ipynb": "one"})

    def run(*options: str) -> str:
        return CliRunner().invoke(main, ["--root", str(course.root), "collect", "-a", "averages", *options]).output

    shown = run("--from", str(path))
    assert "1 new: al" in shown and "YES=yes" in shown and answers(course) == {}
    assert "1 collected" in run("--from", str(path), "--yes") and answers(course) == {"al": "one"}
    assert re.search("1 removed.*: al", run("--undo")) and answers(course) == {}
