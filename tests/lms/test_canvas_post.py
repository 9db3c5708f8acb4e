"""`make export LMS=canvas` and `make return-feedback LMS=canvas` against a server that speaks Canvas's API."""

import json
from datetime import datetime

import pytest

from grading.course.folder import Course
from grading.lms.canvas_post import BREAKS, pages, post
from tests.lms.canvas_server import TOKEN, Fault, State
from tests.lms.test_canvas_download import run
from tests.marks import mark

STUDENTS = """id,first_name,last_name,lms_id
al,Ada,Lovelace,101
bn,Łukasz,Ng,102
cd,Cleo,de la Cruz,103
dk,Dan,Kim,104
ev,Eve,Vance,
"""


@pytest.fixture
def course(tiny, server) -> Course:
    """Five students with grades, four of them in Canvas."""
    (tiny.root / "students.csv").write_text(STUDENTS, encoding="utf-8")
    for student, points in (("al", (2, 1)), ("bn", (2, 0)), ("cd", (0, 1)), ("dk", (0, 0)), ("ev", (2, 1))):
        mark(tiny, student, points)
    for user, name in ((101, "Ada Lovelace"), (102, "Łukasz Ng"), (103, "Cleo de la Cruz"), (104, "Dan Kim")):
        server.submit(user, name, {"averages.ipynb": name.encode()})
    return tiny


def in_canvas(server: State) -> dict[int, float | None]:
    return {one["user_id"]: one["entered_score"] for one in server.submissions}


def export(course: Course, *arguments: str):
    return run(course, "export", "-a", "averages", "--lms", "canvas", *arguments)


def test_grades_are_shown_then_sent_and_never_twice(course, server):
    server.submissions[0]["entered_score"] = 3.0
    server.submissions[1]["entered_score"] = 1.0
    server.submissions[3]["excused"] = True
    preview = export(course)
    assert preview.exit_code == 0, preview.output
    assert "2 grades to be sent: bn (2 instead of 1), cd (1)" in preview.output
    assert "1 grade that Canvas has already: al" in preview.output
    assert "dk: is excused in Canvas" in preview.output and "ev: Canvas has nobody" in preview.output
    assert "with YES=yes" in preview.output and server.count("PUT") == 0
    assert "2 grades sent." in export(course, "--yes").output
    assert in_canvas(server) == {101: 3.0, 102: 2.0, 103: 1.0, 104: None}
    assert "There is nothing to send." in export(course, "--yes").output and server.count("PUT") == 2


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault("PUT .*/102", 500), "Canvas answered: Encountered an error: status code 500"),
        (Fault("PUT .*/102", 403), "Canvas forbids that (403)"),
        (Fault("PUT .*/102", 422, '{"message": "\x1b[31mno"}'), r'Canvas answered: {"message": "\x1b[31mno"}'),
        (Fault("PUT .*/102"), "the connection to Canvas broke"),
    ],
    ids=["500", "403", "422", "cut"],
)
def test_after_a_break_the_next_run_sends_the_rest(course, server, fault, words):
    server.faults.append(fault)
    result = export(course, "--yes")
    assert result.exit_code == 1 and "3 grades sent." in result.output
    assert "1 grade not sent" in result.output and f"bn: the grade: {words}" in result.output
    assert in_canvas(server) == {101: 3.0, 102: None, 103: 1.0, 104: 0.0}
    assert "1 grade to be sent: bn (2)" in export(course, "--yes").output
    assert in_canvas(server)[102] == 2.0 and server.count("PUT .*/101") == 1


def test_rate_limits_are_waited_for(course, server):
    server.faults.append(Fault("PUT", 429, "429 Forbidden (Rate Limit Exceeded)", times=2))
    assert "4 grades sent." in export(course, "--yes").output


def test_a_token_that_expires_and_a_network_that_is_gone_stop_it(course, server):
    server.faults.append(Fault("PUT", 401, headers={"WWW-Authenticate": "Bearer"}))
    result = export(course, "--yes")
    assert "does not accept the token" in result.output and "not tried" in result.output and server.count("PUT") == 1
    server.faults.append(Fault("PUT", times=99))
    result = export(course, "--yes")
    assert "4 grades not sent" in result.output and server.count("PUT") == 1 + BREAKS and TOKEN not in result.output


def test_points_are_those_of_canvas_or_scaled(course, server):
    server.assignments[-1]["points_possible"] = 10.0
    assert "Canvas's assignment has 10 points, and the notebook has 3." in export(course, "--yes").output
    assert "4 grades sent." in export(course, "--yes", "--scale").output
    assert in_canvas(server)[102] == 6.6667
    assert "There is nothing to send." in export(course, "--yes", "--scale").output
    server.assignments[-1]["grading_type"] = "pass_fail"
    assert 'displays its grade as "pass_fail"' in export(course, "--yes").output


def test_a_group_that_canvas_grades_as_one_gets_one_grade(course, server):
    server.assignments[-1] |= {"group_category_id": 5, "grade_group_students_individually": False}
    for one, name in zip(server.submissions, ("Red", "Red", "Blue", "Blue")):
        one["group"] = {"id": 1, "name": name}
    mark(course, "bn", (2, 1))
    result = export(course, "--yes")
    assert "2 grades sent." in result.output and in_canvas(server) == {101: 3.0, 102: 3.0, 103: None, 104: None}
    assert server.count("PUT") == 1 and "theirs differ (cd 1, dk 0)" in result.output
    server.assignments[-1]["grade_group_students_individually"] = True
    assert "2 grades to be sent: cd (1), dk (0)" in export(course).output


def test_grades_of_a_blindly_graded_class_are_sent_once_names_are_shown(course, server):
    mark(course, "anon-aB1", (2, 1))
    server.submissions[0]["anonymous_id"] = "aB1"
    server.submissions[0]["user_id"] = None
    result = export(course)
    assert "anon-aB1: Canvas hides who it is" in result.output
    server.submissions[0]["user_id"] = 101
    (course.root / "students.csv").write_text("id\nzoe\n", encoding="utf-8")
    assert "1 grade to be sent: anon-aB1 (3)" in export(course).output


def test_submissions_that_came_in_since_are_reported(course, server):
    with course.gradebook() as gradebook:
        gradebook.find_submission("averages", "al").timestamp = datetime(2026, 11, 20, 10)
        gradebook.find_submission("averages", "bn").timestamp = datetime(2026, 11, 20, 11)
        gradebook.db.commit()
    server.submissions[1] |= {"entered_score": 2.0, "grade_matches_current_submission": False}
    result = export(course)
    assert "al: handed in again on 2026-11-20T11:00:00+00:00" in result.output
    assert "bn (2 instead of 2)" in result.output, "Canvas's is the grade of an earlier attempt"


def feedback(course: Course, *students: str, text: str = "page") -> None:
    for student in students:
        path = course.root / "feedback" / student / "averages" / "averages.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text} of {student}", encoding="utf-8")


def returned(course: Course, *arguments: str):
    return run(course, "return-feedback", "-a", "averages", "--lms", "canvas", *arguments)


def comments(server: State) -> list[tuple[int, str, bytes, str | None]]:
    return [
        (one["user_id"], comment["comment"], server.files[comment["attachments"][0]["id"]], comment["attempt"])
        for one in server.submissions
        for comment in one["submission_comments"]
    ]


def test_pages_become_comments_with_a_file_once(course, server):
    with course.gradebook() as gradebook:
        gradebook.find_submission("averages", "al").timestamp = datetime(2026, 11, 20, 11)
        gradebook.db.commit()
    server.submissions[0]["attempt"] = 2
    feedback(course, "al", "bn", "ev")
    assert "2 feedback pages to be sent: al (page), bn (page)" in returned(course).output
    result = returned(course, "--yes")
    assert result.exit_code == 0 and "2 feedback pages sent." in result.output, result.output
    assert comments(server) == [
        (101, "3 of 3 points.", b"page of al", "2"),
        (102, "2 of 3 points.", b"page of bn", None),
    ]
    assert set(server.stored) == {None}, "the upload does not carry the token"
    assert "There is nothing to send." in returned(course, "--yes").output
    feedback(course, "bn", text="better page")
    assert "1 feedback page to be sent: bn (page instead of an older one)" in returned(course, "--yes").output
    assert [page for user, _, page, _ in comments(server) if user == 102] == [b"page of bn", b"better page of bn"]


def test_a_break_between_the_upload_and_the_comment_uploads_nothing_twice(course, server):
    feedback(course, "al", "bn")
    server.faults.append(Fault("PUT .*/101", 500))
    result = returned(course, "--yes")
    assert (
        result.exit_code == 1 and "1 feedback page sent." in result.output and "al: the feedback page" in result.output
    )
    assert "1 feedback page sent." in returned(course, "--yes").output
    assert [(user, page) for user, _, page, _ in comments(server)] == [(101, b"page of al"), (102, b"page of bn")]
    assert server.count("POST .*/upload/") == 2


def test_each_step_of_an_upload_may_fail(course, server):
    for where, status, times in (("POST .*/files", 0, 1), ("POST /upload/", 403, 1), ("GET .*create_success", 500, 3)):
        feedback(course, "al", "bn", text=where)
        server.faults = [Fault(where, status, times=times)]
        posting = post(pages(course, "averages"))
        assert len(posting.sent) == 1 and len(posting.failed) == 1, where
        assert all(why.startswith("the feedback page: ") for why in posting.failed.values())
        post(pages(course, "averages"))
        now = [user for user, _, page, _ in comments(server) if page.startswith(where.encode())]
        assert sorted(now) == [101, 102], where


def test_a_comment_that_was_deleted_in_canvas_is_made_again(course, server):
    feedback(course, "al")
    returned(course, "--yes")
    server.submissions[0]["submission_comments"].clear()
    returned(course, "--yes")
    assert len(comments(server)) == 1
    assert json.loads((course.root / "returned" / "averages-canvas.json").read_text(encoding="utf-8"))


def test_lms_lti_is_refused_with_the_choices(tiny):
    result = run(tiny, "export", "-a", "averages", "--lms", "lti")
    assert result.exit_code == 1 and "LTI" in result.output and "LMS=moodle, LMS=canvas" in result.output
