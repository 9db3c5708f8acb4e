"""`make collect LMS=canvas` against a server that speaks Canvas's API."""

import io
import json
import shutil
import traceback
import zipfile

import pytest
from click.testing import CliRunner, Result

from grading.cli.main import main
from grading.course import class_list, notebooks
from grading.course.folder import Course
from grading.lms import canvas
from grading.lms.canvas import CanvasError
from tests.lms.canvas_server import ASSIGNMENT, TOKEN, Fault, State
from tests.lms.test_collect import answers

STUDENTS = """id,first_name,last_name,lms_id
al,Ada,Lovelace,101
bn,Łukasz,Ng,102
cd,Cleo,de la Cruz,
dk,Dan,Kim,104
"""
FILE = r"GET /stored/"


@pytest.fixture
def course(tiny) -> Course:
    (tiny.root / "students.csv").write_text(STUDENTS, encoding="utf-8")
    return tiny


def written(course: Course, text: str) -> bytes:
    filled = notebooks.read(course.root / "release" / "averages" / "averages.ipynb")
    notebooks.by_id(filled)["mean"].source = text
    return json.dumps(filled).encode()


def handed_in(course: Course, server: State) -> None:
    server.submit(
        101, "Ada Lovelace", {"averages-2.ipynb": written(course, "ada")}, "2026-11-20T23:30:05Z", attempt=3, late=True
    )
    server.submit(102, "Łukasz Ng", {"averages.ipynb": written(course, "ng")}, "2026-10-25T00:30:00Z")
    server.submit(103, "Cleo de la Cruz", {"my work.ipynb": written(course, "cleo")})
    server.submit(104, "Dan Kim", {})
    server.submit(199, "Grace Hopper", {"averages.ipynb": written(course, "grace")})


def run(course: Course, *arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "300"}).invoke(main, ["--root", str(course.root), *arguments])


def collect(course: Course, *arguments: str) -> Result:
    return run(course, "collect", "-a", "averages", "--lms", "canvas", *arguments)


def timestamp(course: Course, student: str) -> str:
    return (course.root / "submitted" / student / "averages" / "timestamp.txt").read_text(encoding="utf-8")


def test_submissions_come_with_their_times_and_attempts_page_by_page(course, server):
    handed_in(course, server)
    preview = collect(course)
    assert preview.exit_code == 0, preview.output
    assert "3 new: al, bn, cd" in preview.output and answers(course) == {}
    assert "nobody in students.csv is Canvas's Hopper, Grace (user 199)" in preview.output
    done = collect(course, "--yes")
    assert answers(course) == {"al": "ada", "bn": "ng", "cd": "cleo"}
    assert "1 handed in nothing: dk" in done.output and "al: attempt 3" in done.output
    assert "says late" not in done.output, "the time is known"
    assert timestamp(course, "al").startswith("2026-11-20 23:30:05") and "+00:00" in timestamp(course, "al")
    assert timestamp(course, "bn").startswith("2026-10-25 00:30:00"), "UTC, in the night when clocks go back"
    assert server.count("GET .*/submissions.*page=3") == 2, "one for each run"
    assert set(server.stored) == {None}, "the server with the files never gets the token"
    run(course, "collect", "-a", "averages", "--undo")
    assert answers(course) == {}


def test_without_a_class_list_one_is_made(course, server):
    (course.root / "students.csv").unlink()
    one = server.submit(101, "Ada Lovelace", {"averages.ipynb": written(course, "ada")})
    one["user"] |= {"login_id": "al815", "email": "ada@uni.example"}
    server.submit(102, "Łukasz Ng", {})
    result = collect(course, "--yes")
    assert answers(course) == {"al815": "ada"}, result.output
    ada, ng = class_list.read(course).values()
    assert (ada.id, ada.name, ada.lms_id, ada.login, ada.email) == (
        "al815",
        "Ada Lovelace",
        "101",
        "al815",
        "ada@uni.example",
    )
    assert (ng.id, ng.lms_id) == ("canvas-102", "102") and "1 handed in nothing: canvas-102" in result.output


def test_nobody_gets_the_submission_of_another_with_the_same_name(course, server):
    """Numbers decide; a name counts if one student without a number and one user have it."""
    rows = "a,Jo,Smith,301,\nb,Jo,Smith,,\nc,Eve,Vance,,eve@uni.example\nd,Max,May,,\ne,Kim,Lee,302,\nf,Kim,Lee,302,\n"
    (course.root / "students.csv").write_text(f"id,first_name,last_name,lms_id,email\n{rows}", encoding="utf-8")
    people = {
        301: "Jo Smith",
        310: "Jo Smith",
        311: "E. V.",
        312: "Max May",
        313: "Max May",
        302: "Kim Lee",
        399: "Kim Lee",
    }
    for user, name in people.items():
        server.submit(user, name, {})
    server.submissions[2]["user"]["email"] = "Eve@uni.example"
    found = canvas.place(course, "averages").ids(class_list.read(course))
    assert found == {"301": "a", "310": "b", "311": "c"}


def test_a_group_hands_in_together_and_its_file_is_fetched_once(course, server):
    same, red = written(course, "together"), {"group": {"id": 1, "name": "Red"}}
    for user, name in ((101, "Ada Lovelace"), (102, "Łukasz Ng")):
        server.submit(user, name, {"averages.ipynb": same}, **red)
    server.submit(104, "Dan Kim", {}, **red)
    result = collect(course, "--yes")
    assert answers(course) == dict.fromkeys(("al", "bn", "dk"), "together"), result.output
    assert "1 to get the submission of their group: dk" in result.output
    assert server.count(FILE) == 1


def test_zips_typed_text_and_dangerous_names_are_handled(course, server):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("homework/averages.ipynb", written(course, "zipped"))
    server.submit(101, "Ada Lovelace", {"work.zip": packed.getvalue()})
    server.submit(102, "Łukasz Ng", {"../../averages.ipynb": written(course, "ng")})
    server.submit(104, "Dan Kim", {"x": b"x"}, submission_type="online_text_entry", body="<p>see above", attachments=[])
    result = collect(course, "--yes")
    assert answers(course) == {"al": "zipped", "bn": "ng"}, result.output
    assert "kimdan_104_text.html: is text that dk typed into the LMS" in result.output
    assert not (course.root / "downloaded" / "averages.ipynb").exists()


@pytest.mark.parametrize(
    "fault",
    [
        Fault("GET .*/submissions", 429, "429 Forbidden (Rate Limit Exceeded)\n", times=2),
        Fault("GET .*/submissions", 403, "403 Forbidden (Rate Limit Exceeded)\n", times=2),
        Fault("GET .*/submissions", 429, "", headers={"Retry-After": "0.02"}),
        Fault("GET .*page=2", 500, "<h1>oops</h1>", times=2),
        Fault("GET .*page=2"),
        Fault("GET /files/", 503),
        Fault(FILE, times=2),
    ],
    ids=["429", "403", "retry-after", "500", "list cut", "503", "download cut"],
)
def test_temporary_failures_are_retried(course, server, fault):
    handed_in(course, server)
    server.faults.append(fault)
    assert collect(course, "--yes").exit_code == 0
    assert fault.times == 0 and answers(course) == {"al": "ada", "bn": "ng", "cd": "cleo"}


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(FILE + "5001", times=99), "the connection to Canvas broke"),
        (Fault(FILE + "5001", 500, times=99), "status code 500"),
        (Fault("GET /files/5001", 404, times=99), "does not have that (404)"),
        (Fault(FILE + "5001", 200, "short", times=99), "5 bytes came, and Canvas says"),
    ],
    ids=["cut", "500", "404", "short"],
)
def test_a_file_that_does_not_come_is_listed_and_the_rest_goes_on(course, server, fault, words):
    handed_in(course, server)
    collect(course, "--yes")
    before = (course.root / "submitted" / "al" / "averages" / "averages.ipynb").read_bytes()
    server.submissions[0]["attachments"].append(
        server.submissions[1]["attachments"][0]
    )  # would come, and must not count
    server.faults.append(fault)
    result = collect(course, "--yes")
    assert result.exit_code == 0 and words in result.output and "averages-2.ipynb of Lovelace, Ada" in result.output
    assert (course.root / "submitted" / "al" / "averages" / "averages.ipynb").read_bytes() == before
    assert "2 unchanged: bn, cd" in result.output
    shutil.rmtree(course.root / "submitted")
    result = collect(course, "--yes")
    assert answers(course) == {"bn": "ng", "cd": "cleo"}
    assert "1 refused, see below: al" in result.output
    assert "1 handed in nothing: dk" in result.output


def test_a_network_that_is_gone_is_not_tried_for_everybody(course, server):
    handed_in(course, server)
    server.faults.append(Fault(FILE, times=99))
    result = collect(course, "--yes")
    assert result.exit_code == 0 and "4 files not collected" in result.output
    assert "not fetched, as Canvas could not be reached 3 times" in result.output and server.count(FILE) == 9


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (
            Fault("GET", 401, '{"errors": "x"}', headers={"WWW-Authenticate": "Bearer"}),
            "does not accept the token (401)",
        ),
        (Fault("GET", 401), "token's owner may not do that (401)"),
        (Fault("GET .*/submissions", 403), "Canvas forbids that (403)"),
        (Fault("GET /api/v1/courses/42$", 404), "Canvas does not have that (404)"),
        (Fault("GET", 429, times=99), "still asks to wait"),
        (Fault("GET", 500, times=99), "status code 500"),
        (Fault("GET", 200, "<html>"), "the answer is none of Canvas's API"),
        (Fault("GET", 200, "[]"), "Canvas's answer is not understood"),
        (Fault("GET /api/v1/courses/42$", times=99), "the connection to Canvas broke"),
    ],
    ids=["token", "401", "403", "404", "429", "500", "html", "json", "cut"],
)
def test_permanent_failures_end_with_a_message_and_change_nothing(course, server, fault, words):
    handed_in(course, server)
    server.faults.append(fault)
    result = collect(course, "--yes")
    assert result.exit_code == 1 and result.exception.__class__ is SystemExit
    assert words in result.output and len(result.output.splitlines()) < 3
    assert answers(course) == {} and TOKEN not in result.output


def test_an_unreachable_server_ends_with_a_message(course, server, monkeypatch):
    monkeypatch.setenv("CANVAS_API_URL", "http://127.0.0.1:9")
    result = collect(course)
    assert result.exit_code == 1 and "the connection to Canvas broke" in result.output


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("CANVAS_API_URL", "", "CANVAS_API_URL is not set"),
        ("CANVAS_API_URL", "canvas.uni.example", "should be the address of your Canvas"),
        ("CANVAS_API_URL", "http://canvas.uni.example", "should begin with https://"),
        ("CANVAS_API_TOKEN", "", "CANVAS_API_TOKEN is not set"),
        ("CANVAS_API_TOKEN", "hush\nhush", "CANVAS_API_TOKEN has characters"),
        ("CANVAS_API_TOKEN", "hush-hush", "does not accept the token (401)"),
        ("CANVAS_COURSE", "optimization", "should be the number in"),
        ("CANVAS_COURSE", "43", "Canvas does not have that (404)"),
    ],
)
def test_faulty_settings_are_reported_without_the_token(course, server, monkeypatch, name, value, words):
    monkeypatch.setenv(name, value)
    with pytest.raises(CanvasError) as caught:
        canvas.place(course, "averages")
    assert words in str(caught.value)
    below = caught.value.__traceback__.tb_next  # this function knows the token
    shown = "".join(traceback.TracebackException(CanvasError, caught.value, below, capture_locals=True).format())
    assert "hush" not in shown and TOKEN not in shown


def test_the_address_may_be_copied_with_a_path(course, server, monkeypatch):
    monkeypatch.setenv("CANVAS_API_URL", f"{server.address}/api/v1/")
    assert canvas.place(course, "averages").source.id == ASSIGNMENT


def test_the_assignment_is_found_by_the_settings_or_by_name(course, server):
    config = course.root / "nbgrader_config.py"
    server.assignments.append(dict(server.assignments[-1], id=1300))
    with pytest.raises(CanvasError, match=r"More than one .* 1234 \(Averages\), 1300 \(Averages\)"):
        canvas.place(course, "averages")
    text = config.read_text(encoding="utf-8")
    config.write_text(text + '\nc.Canvas.assignments = {"averages": 1234, "gone": 9}\n', encoding="utf-8")
    again = Course(course.root)
    assert canvas.place(again, "averages").source.id == 1234
    del server.assignments[2:]
    with pytest.raises(CanvasError, match=r"assignment 1234 \(c.Canvas.assignments\): Canvas does not have that"):
        canvas.place(again, "averages")
    with pytest.raises(CanvasError, match=r"No assignment .* 1001 \(Something else\)"):
        canvas.place(course, "averages")


def test_an_assignment_without_submissions_is_reported(course, server):
    server.submit(101, "Ada Lovelace", {})
    assert "nobody has handed in anything in Canvas yet" in collect(course).output


def test_a_package_that_is_not_installed_is_named(course, server, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "canvasapi", None)
    assert "pip install 'canvasapi" in collect(course).output


def test_hidden_names_become_anonymous_ids(course, server):
    for one in (101, 102):
        hidden = server.submit(one, "?", {"averages.ipynb": written(course, f"of {one}")}, anonymous_id=f"aB{one}")
        del hidden["user"], hidden["user_id"]
    result = collect(course, "--yes")
    assert answers(course) == {"anon-aB101": "of 101", "anon-aB102": "of 102"}, result.output
    (course.root / "students.csv").write_text("id,anonymous_id\nal,averages: aB101\n", encoding="utf-8")
    result = collect(course)
    assert "1 new: al" in result.output and "nobody in students.csv has the anonymous_id aB102" in result.output
