"""Private names of canvasapi: its HTTP session, which has no setting for time limits, and what sends its requests."""

from pathlib import Path

from canvasapi import Canvas
from canvasapi.submission import Submission
from canvasapi.upload import Uploader
from requests import Session


def session_of(canvas: Canvas) -> Session:
    """The session that all requests of this object go through."""
    session: Session = canvas._Canvas__requester._session
    return session


def upload(submission: Submission, path: Path) -> int:
    """Upload a file for a comment, and give Canvas's number of it. No comment shows it yet.

    canvasapi's own `upload_comment` makes the comment, too, always for the first attempt.

    Raises:
        CanvasException, ValueError, KeyError, requests.RequestException: Canvas did not take it.
    """
    requester, place = submission._requester, f"assignments/{submission.assignment_id}/submissions/{submission.user_id}"
    _, answer = Uploader(requester, f"courses/{submission.course_id}/{place}/comments/files", path).start()
    if "id" not in answer and answer.get("location"):  # the third step, where the second one ends without a redirect
        answer = requester.request("GET", _url=answer["location"]).json()
    return int(answer["id"])
