"""Name the mistake: find the known wrong answer that fails the same tests with the same replies."""

import json
import math
from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from grading.course import catalogue, notebooks
from grading.course.catalogue import Entry
from grading.execution import rehearsal
from grading.oracle.compare import ATOL, RTOL
from grading.oracle.recent import Recent
from grading.oracle.student_code import InProcess
from grading.probe import wire
from grading.probe.private import postpone_compiler

SECONDS = 2  # for an entry of the catalogue to answer a question
# Probes whose numbers differ from run to run. They are not asked again: a slow answer would need gigabytes.
MEASURED = ("autodiff.cost", "autodiff.built", "autodiff.long_backward", "autodiff.long_order")
Transcript = list[tuple[str, dict]]
UNSAID = ("Missing", "NotImplementedError")  # there is no answer yet, so no mistake either


class Diagnostician:
    """The catalogue of one assignment, ready for look-ups.

    Args:
        source: the instructor's notebook; the catalogue is `mistakes/<assignment>.toml`, found from there.
    """

    def __init__(self, source: Path):
        self.notebook = notebooks.read(source)
        path = source.parent.parent.parent / "mistakes" / f"{source.stem}.toml"
        self.entries = [entry for entry in catalogue.load(path, self.notebook) if not entry.right]
        postpone_compiler()  # or the first answer would need the time for it
        self._tests = notebooks.tests_of(self.notebook)
        self._channels: dict[str, InProcess] = {}
        self._replies = Recent(4000)  # by entry and question: many students of a class get the same questions

    def name(self, exercise: str, transcripts: Mapping[str, Transcript], lost: Collection[str]) -> Entry | None:
        """The mistake that loses the tests which the student has lost, and answers them like the student.

        If a test also asks with stand-ins for earlier exercises, only these replies are compared: a mistake in an
        earlier exercise may change the others. Measured times and memory differ from run to run and are not compared.

        Args:
            exercise: the grade_id of the solution cell.
            transcripts: by test, the questions to the student's code and its replies, see `student_code.connected`.
                Only those of lost tests are used: in a test that both pass, the replies are the reference's.
            lost: the grade_ids of all tests that were lost, those of other exercises may be among them.

        Returns:
            An entry of the catalogue whose `loses` within this exercise are the lost tests, and that gives the same
            replies to every question, if these are not the reference's own replies. None if there is no such entry, or
            if entries with different words for the student fit.
        """
        own = set(self._tests.get(exercise, ()))
        missed = own & set(lost)
        asked = [
            pair for test in self._tests.get(exercise, ()) if test in missed for pair in _telling(transcripts, test)
        ]
        if not asked or any(reply.get("type") in UNSAID for _, reply in asked):
            return None
        if all(_same(self._reply(exercise, None, question), reply) for question, reply in asked):
            return None
        fitting = [
            entry
            for entry in self.entries
            if entry.cell == exercise
            and own & set(entry.loses) == missed
            and all(_same(self._reply(exercise, entry, question), reply) for question, reply in asked)
        ]
        return fitting[0] if len({entry.why for entry in fitting}) == 1 else None

    def _reply(self, exercise: str, entry: Entry | None, question: str) -> Any:
        key = entry.name if entry else exercise
        if key not in self._channels:
            replaced = {entry.cell: entry.source} if entry else {}
            self._channels[key] = InProcess(*rehearsal.definitions(self.notebook, replaced, until=exercise))
        if (key, question) not in self._replies:
            try:
                with rehearsal.time_limit(SECONDS):
                    asked = _with_own_source(question, self._channels[key])
                    self._replies[key, question] = _told(wire.loads(self._channels[key].ask(asked)))
            except TimeoutError:
                self._replies[key, question] = None  # no student's reply is that
        return self._replies[key, question]


@lru_cache(maxsize=8)
def diagnostician(source: Path) -> Diagnostician:
    """The cached `Diagnostician` of an assignment: reading the catalogue and its answers takes a moment."""
    return Diagnostician(source)


def _telling(transcripts: Mapping[str, Transcript], test: str) -> Transcript:
    """The questions of a test that identify a mistake, with the compared part of the replies."""
    asked = [
        (question, _told(reply)) for question, reply in transcripts.get(test, []) if _probe(question) not in MEASURED
    ]
    return [pair for pair in asked if _on_its_own(pair[0])] or asked


def _probe(question: str) -> str:
    return json.loads(question)["probe"]


def _on_its_own(question: str) -> bool:
    """Whether stand-ins replace the student's answers to earlier exercises."""
    arguments = json.loads(question)["arguments"]
    return any(arguments.get(name) for name in ("stand_ins", "slopes", "made_up", "source"))


def _with_own_source(question: str, channel: InProcess) -> str:
    """The question, about the class of this notebook where it holds the text of the student's."""
    asked = json.loads(question)
    if not asked["arguments"].get("source"):
        return question
    asked["arguments"]["source"] = channel.source_of(asked["arguments"]["name"])
    return json.dumps(asked)


def _told(reply: Any) -> dict:
    """The part of a reply that depends on the answer: its value, or the type and the message of the error."""
    error = reply.get("error")
    if isinstance(error, dict):
        return {"type": error.get("type"), "message": error.get("message")}
    return reply


def _same(one: Any, other: Any, size: float = 0.0) -> bool:
    """Equal up to rounding, at every place, as closely as the tests compare.

    A coarser comparison would accept float32 for float64, and so confuse two mistakes that differ in later digits.

    Args:
        size: of the largest number in the path that a number belongs to, see `compare.same_path`.
    """
    if wire.is_number(one) and wire.is_number(other):
        slack = ATOL + RTOL * max(size, abs(other))
        return one == other or (one != one and other != other) or (math.isfinite(other) and abs(one - other) <= slack)
    if isinstance(one, list) and isinstance(other, list):
        size = max(size, _size(other))
        return len(one) == len(other) and all(_same(a, b, size) for a, b in zip(one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return type(one) is type(other) and one == other


def _size(rows: list) -> float:
    """The largest finite number in a list of rows of numbers; 0 for any other list."""
    numbers = [number for row in rows if isinstance(row, list) for number in row if wire.is_number(number)]
    return max((abs(number) for number in numbers if math.isfinite(number)), default=0.0)
