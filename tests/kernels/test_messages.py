"""What a kernel sends is looked at before anything is done with it."""

import json

import pytest
from jupyter_client.session import DELIM, Session

from grading.kernels.messages import BrokenMessage, deeper, parsed

BUNDLE = {"data": {"text/plain": "1"}, "metadata": {}}
SOUND = {
    "stream": {"name": "stdout", "text": "x"},
    "display_data": {**BUNDLE, "transient": {"display_id": "a"}},
    "execute_result": {**BUNDLE, "execution_count": 1},
    "update_display_data": {**BUNDLE, "transient": {"display_id": "a"}},
    "error": {"ename": "E", "evalue": "x", "traceback": ["x"]},
    "status": {"execution_state": "idle"},
    "clear_output": {"wait": True},
    "execute_reply": {"status": "error", "ename": "E", "evalue": "x", "traceback": []},
    "comm_open": {"data": 1},
    "unknown": {},
}


def nested(levels: int) -> dict:
    data: object = 1
    for _ in range(levels):
        data = [data]
    return {"data": {"text/plain": data}, "metadata": {}}


BROKEN = [
    ("stream", {"name": "stdout"}),
    ("stream", {"name": "stdout", "text": 5}),
    ("stream", []),
    ("display_data", {"data": 5, "metadata": {}}),
    ("display_data", {**BUNDLE, "transient": {"display_id": [1]}}),
    ("display_data", {**BUNDLE, "transient": 7}),
    ("display_data", nested(100)),
    ("execute_result", {"data": {}}),
    ("error", {"ename": "E", "evalue": "x", "traceback": "x"}),
    ("error", {"ename": None, "evalue": "x", "traceback": []}),
    ("status", {}),
    ("execute_reply", {}),
    ("execute_reply", {"status": "error"}),
    ("kernel_info_reply", {"status": "ok"}),
    (["stream"], {"name": "stdout", "text": "x"}),
]


@pytest.fixture
def session() -> Session:
    return Session(key=b"key")


def frames(session: Session, kind: object, content: object) -> list[bytes]:
    message = session.msg("stream", {})
    message["header"]["msg_type"] = message["msg_type"] = kind
    return session.serialize({**message, "content": json.dumps(content)})


@pytest.mark.parametrize(("kind", "content"), SOUND.items())
def test_valid_messages_arrive(session, kind, content):
    assert parsed(session, frames(session, kind, content))["content"] == content


@pytest.mark.parametrize(("kind", "content"), BROKEN)
def test_malformed_messages_are_refused(session, kind, content):
    with pytest.raises(BrokenMessage):
        parsed(session, frames(session, kind, content))


def test_garbage_is_refused(session):
    for garbage in ([], [b"x"], [DELIM], [DELIM, b"", b"{}", b"{}", b"{}", b"{}"], [DELIM, b"sig", *[b"\xff"] * 4]):
        with pytest.raises(BrokenMessage):
            parsed(session, garbage)
    for part in (b"5", b'"x"', b"[" * 10**5, b"null"):
        sent = [part, b"{}", b"{}", b"{}"]
        with pytest.raises(BrokenMessage):
            parsed(session, [DELIM, session.sign(sent), *sent])
    header = json.dumps({**session.msg_header("stream"), "version": "4.0"}, default=str).encode()
    for sent in ([header, b"{}", b"{}", b"5"], [header, b"[]", b"{}", b"{}"]):
        with pytest.raises(BrokenMessage):
            parsed(session, [DELIM, session.sign(sent), *sent])


def test_an_error_of_the_readers_own_is_not_blamed_on_the_kernel(session, monkeypatch):
    sent = frames(session, "status", {"execution_state": "idle"})
    monkeypatch.delattr(Session, "deserialize")
    with pytest.raises(AttributeError):
        parsed(session, sent)


def test_deeply_nested_messages_are_refused():
    assert not deeper({"a": [{"b": [1, 2]}]}, 4)
    assert deeper({"a": [{"b": [1, 2]}]}, 3)
