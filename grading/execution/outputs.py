"""Keep a notebook's outputs within limits, valid, and free of anything that nbgrader would take for a score."""

import contextlib
import json

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_output
from traitlets import Integer

from grading.compat.nbgrader import Execute as StockExecute
from grading.course import notebooks

LEAST = 500  # bytes that even an empty output takes
LONGEST = 10_000  # characters of an error's message


def shortened(text: str) -> str:
    """A message up to the limit, with a note where it is cut."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... (cut here, after {LONGEST:,} characters)"


class LimitedOutputs(StockExecute):
    """nbgrader's `Execute` with limits on the outputs that it keeps.

    Attributes:
        text_room: characters of printed text that this cell may still add.
        room: bytes of outputs that this notebook may still add.
    """

    max_text = Integer(100_000, help="Characters of printed text that are kept of a cell.").tag(config=True)
    max_output = Integer(20_000_000, help="Bytes of all outputs that are kept of a notebook.").tag(config=True)

    def output(self, outs: list, msg: dict, display_id: str | None, cell_index: int) -> NotebookNode | None:
        """Keep an output, within the limits; a note marks what is omitted."""
        content = msg["content"]
        if msg["msg_type"] == "stream":
            return self._take_text(outs, msg, cell_index)
        if msg["msg_type"] == "error":
            content["ename"], content["evalue"] = str(content["ename"])[:1000], shortened(str(content["evalue"]))
            content["traceback"] = [shortened(str(line)) for line in content["traceback"][-100:]]
        said, size = self.room >= 0, len(json.dumps(content)) + LEAST
        self.room -= size
        if self.room >= 0:
            return super().output(outs, msg, display_id, cell_index)
        if msg["msg_type"] == "error" and not any(output.output_type == "error" for output in outs):
            content["evalue"], content["traceback"] = content["evalue"][:1000], []  # an error decides
            return super().output(outs, msg, None, cell_index)
        if said:
            outs.append(_too_large(size))
        return None

    def _take_text(self, outs: list, msg: dict, cell_index: int) -> NotebookNode | None:
        name, text = "stderr" if msg["content"]["name"] == "stderr" else "stdout", msg["content"]["text"]
        full, room = len(text), max(0, self.text_room)
        self.text_room -= full + (LEAST if not full else 0)
        if room == 0 or not full:
            return None
        if full > room:
            text = f"{text[:room]}\n... The output is cut here, after {self.max_text:,} characters.\n"
        last = outs[-1] if outs and not self.clear_before_next_output else NotebookNode()
        if (last.get("output_type"), last.get("name")) == ("stream", name):  # where pieces part depends on moments
            last.text += text
            return last
        if not self.clear_before_next_output:  # nbclient would search all outputs, as `mend` does
            outs.append(NotebookNode(output_type="stream", name=name, text=text))
            return outs[-1]
        return super().output(outs, {**msg, "content": {"name": name, "text": text}}, None, cell_index)

    def change_displayed(self, display_id: str, msg: dict) -> None:
        """Update outputs that are already shown, within the limits."""
        places = self.displayed(display_id)
        with contextlib.suppress(AttributeError, IndexError, KeyError):  # one of them was left out
            before = sum(len(json.dumps(self.nb.cells[cell].outputs[i].data)) for cell, i in places)
            growth = len(places) * len(json.dumps(msg["content"]["data"])) - before
            if growth <= self.room:
                super().change_displayed(display_id, msg)
                self.room -= growth

    def handle_comm_msg(self, outs: list, msg: dict, cell_index: int) -> None:
        """Drop messages of widgets: no page can show a widget's later state."""


def mend(cell: NotebookNode) -> None:
    """Drop malformed outputs and counts, and characters that no file can hold."""
    sound = []
    for output in cell.get("outputs", []):
        if _is_plain_text(output):  # most are
            sound.append(output)
            continue
        text = json.dumps(output, ensure_ascii=False).encode("utf-8", "replace").decode("utf-8")
        output = nbformat.from_dict(json.loads(text))
        try:
            nbformat.validate(output, ref="output", version=4)
        except nbformat.ValidationError:
            if output.get("output_type") != "error":  # an error decides the verdict, whatever its form
                continue
            output = new_output("error", ename=str(output.get("ename")), evalue=str(output.get("evalue")), traceback=[])
        sound.append(output)
    cell.outputs = sound
    count = cell.get("execution_count")
    cell.execution_count = count if type(count) is int and 0 <= count < 2**31 else None


def _is_plain_text(output: NotebookNode) -> bool:
    """Whether an output is the text of a stream and nothing more, with characters that a file can hold."""
    text = output.get("text")
    if output.get("output_type") != "stream" or output.get("name") not in ("stdout", "stderr") or len(output) != 3:
        return False
    return isinstance(text, str) and not any("\ud800" <= character <= "\udfff" for character in text)


def no_verdict_by_accident(cell: NotebookNode) -> None:
    """Keep a test cell's verdict to its errors.

    For nbgrader, text on stderr is a failure, and the value of a last expression is a score. But a warning must not
    cost a point, and a student's output must not become a score.
    """
    if notebooks.kind(cell) != "test":
        return
    for output in cell.outputs:
        if output.output_type == "stream":
            output.name = "stdout"
        elif output.output_type == "execute_result":
            output.output_type = "display_data"
            output.pop("execution_count", None)


def _too_large(size: int) -> NotebookNode:
    """The placeholder of an omitted output."""
    note = f"... An output of {size / 1e6:.1f} MB is left out here: the notebook shows too much.\n"
    return new_output("stream", name="stdout", text=note)
