"""Private names of canvasapi exist and mean what is assumed. An upgrade that changes one fails here, by name."""

from canvasapi import Canvas
from canvasapi.canvas_object import CanvasObject
from canvasapi.upload import Uploader
from requests import Session

from grading.compat.canvasapi import session_of
from tests.compat.signatures import assert_takes


def test_session_of_returns_the_session_that_sends_every_request():
    canvas = Canvas("https://canvas.uni.example", "token")
    requester = canvas._Canvas__requester
    assert isinstance(session_of(canvas), Session) and session_of(canvas) is requester._session
    assert CanvasObject(requester, {})._requester is requester


def test_an_upload_takes_these_arguments():
    assert_takes(Uploader, "__init__", ["requester", "url", "file", "kwargs"])
