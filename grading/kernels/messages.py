"""Read and check a kernel's messages. A kernel's errors are caught here, so any later error is the grader's own.

See https://jupyter-client.readthedocs.io/en/stable/messaging.html for what a message holds.
"""

from collections.abc import Mapping
from queue import Empty
from typing import Any

from jupyter_client.channels import AsyncZMQSocketChannel
from jupyter_client.session import Session

DEEPEST = 60  # levels of lists and dictionaries in a message; a figure has a dozen
# For each kind of message that is looked into, what its content must hold.
Fields = Mapping[str, type | tuple[type, ...]]
BUNDLE: Fields = {"data": dict, "metadata": dict}
FIELDS: dict[str, Fields] = {
    "stream": {"name": str, "text": str},
    "display_data": BUNDLE,
    "update_display_data": BUNDLE,
    "execute_result": BUNDLE,
    "error": {"ename": str, "evalue": str, "traceback": list},
    "status": {"execution_state": str},
    "clear_output": {"wait": (bool, int)},
    "execute_reply": {"status": str},
    "kernel_info_reply": {"protocol_version": str, "language_info": dict},
}
FAILED: Fields = {"ename": str, "evalue": str, "traceback": list}  # and an `execute_reply` that says "error"


class BrokenMessage(Exception):
    """A kernel has sent a malformed message; `str()` says what is wrong."""


class Channel(AsyncZMQSocketChannel):
    """A channel on which only well-formed messages arrive."""

    async def get_msg(  # type: ignore[override]  # jupyter_client's own asynchronous channel overrides it so, too
        self, timeout: float | None = None
    ) -> dict[str, Any]:
        """The next message.

        Args:
            timeout: seconds; None waits forever.

        Raises:
            Empty: no message arrived in time.
            BrokenMessage: the kernel sent something else.
        """
        if not await self.socket.poll(None if timeout is None else int(timeout * 1000)):
            raise Empty
        return parsed(self.session, await self.socket.recv_multipart())


def parsed(session: Session, frames: list[bytes]) -> dict:
    """Parse the frames of a message.

    Raises:
        BrokenMessage: they are not a valid message.
    """
    split, read = session.feed_identities, session.deserialize
    try:
        message = read(split(frames)[1])
    except Exception as error:  # whatever a hostile kernel makes the parser do
        raise BrokenMessage(type(error).__name__) from None
    require_sound(message)
    return message


def require_sound(message: dict) -> None:
    """Make sure that a message holds what its kind must hold, each of the right type, and is not nested too deeply.

    Raises:
        BrokenMessage: it does not.
    """
    kind, content = message["msg_type"], message["content"]
    if not isinstance(kind, str) or not isinstance(content, dict) or not isinstance(message["parent_header"], dict):
        raise BrokenMessage("a message without a kind, a parent or a content")
    _require(kind, content, FIELDS.get(kind, {}))
    if kind == "execute_reply" and content["status"] == "error":
        _require(kind, content, FAILED)
    if "transient" in content and content["transient"] is not None:
        _require(kind, content, {"transient": dict})
        if not isinstance(content["transient"].get("display_id"), (str, type(None))):
            raise BrokenMessage(f"a {kind} whose display_id is no text")
    if deeper(content, DEEPEST):
        raise BrokenMessage(f"a {kind} that is nested more than {DEEPEST} levels deep")


def _require(kind: str, content: dict, fields: Fields) -> None:
    for name, wanted in fields.items():
        if not isinstance(content.get(name), wanted):
            raise BrokenMessage(f"a {kind} without a valid {name}")


def deeper(data: object, levels: int) -> bool:
    """Whether lists and dictionaries are nested more than so many levels deep."""
    level: list[Any] = [data]
    for _ in range(levels):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return False
    return True
