"""Canvas, as far as the course talks to it."""

from collections.abc import Iterator

import pytest

from grading.lms import canvas
from tests.lms import canvas_server
from tests.lms.canvas_server import State


@pytest.fixture
def server(monkeypatch) -> Iterator[State]:
    """A server for this test alone; the environment says where it is."""
    with canvas_server.running() as state:
        for name, value in {"URL": state.address, "TOKEN": canvas_server.TOKEN}.items():
            monkeypatch.setenv(f"CANVAS_API_{name}", value)
        monkeypatch.setenv("CANVAS_COURSE", str(canvas_server.COURSE))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setattr(canvas, "PAUSES", (0.01, 0.01, 0.01))
        yield state
