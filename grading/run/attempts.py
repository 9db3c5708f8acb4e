"""Attempts: what each student handed in, and when, whether it counts, and how it ended. A journal in one SQLite file.

Every score in the journal comes from the gradebook: the journal only says to which attempt it belongs.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from traitlets import Enum, Float, Integer
from traitlets.config import Configurable

WAITING, GRADING, GRADED, HELD, FAILED = "waiting", "grading", "graded", "held", "not graded"
LEVELS = ["points", "mistakes", "everything"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS attempts (
    id INTEGER PRIMARY KEY,
    assignment TEXT NOT NULL,
    student TEXT NOT NULL,
    origin TEXT NOT NULL,
    key TEXT NOT NULL,
    received TEXT NOT NULL,
    state TEXT NOT NULL,
    number INTEGER,
    score REAL,
    max_score REAL,
    ended TEXT,
    seconds REAL,
    page TEXT,
    made_from TEXT,
    note TEXT NOT NULL DEFAULT '',
    UNIQUE (origin, assignment, student, key)
)
"""


class AttemptPolicy(Configurable):
    """How many attempts count, and what their feedback shows. Set in `nbgrader_config.py`."""

    attempts = Integer(0, min=0, help="How many attempts count in all; 0 for any number.").tag(config=True)
    per_day = Integer(20, min=0, help="How many attempts count on one day; 0 for any number.").tag(config=True)
    pause = Float(0.0, min=0, help="Minutes after an attempt until the next one counts.").tag(config=True)
    counts = Enum(["last", "best"], "last", help="Which attempt's points go to the gradebook.").tag(config=True)
    before_due = Enum(LEVELS, "everything", help="What feedback shows until the due date.").tag(config=True)
    after_due = Enum(LEVELS, "everything", help="What feedback shows from then on.").tag(config=True)

    def level(self, due: datetime | None, now: datetime) -> str:
        """What a page shows now: one of `LEVELS`. `due` is None where there is no due date."""
        return self.before_due if due is not None and now < due else self.after_due

    def verdict(self, earlier: list[datetime], received: datetime) -> "Verdict":
        """Whether an attempt counts.

        Args:
            earlier: when each attempt that counted was received, in order; aware of their time zone.
            received: when this one was.
        """
        number = len(earlier) + 1
        if self.attempts and number > self.attempts:
            return Verdict(False, number, f"all {self.attempts} attempts are used up")
        reasons: list[tuple[datetime, str]] = []
        if earlier and self.pause:
            ready = earlier[-1] + timedelta(minutes=self.pause)
            if received < ready:
                reasons.append((ready, f"there is a pause of {self.pause:g} minutes after each attempt"))
        today = [time for time in earlier if time.astimezone().date() == received.astimezone().date()]
        if self.per_day and len(today) >= self.per_day:
            midnight = received.astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
            reasons.append((midnight + timedelta(days=1), f"the {self.per_day} attempts of this day are used up"))
        if reasons:
            next_time, reason = max(reasons)
            return Verdict(False, number, reason, next_time)
        return Verdict(True, number)


@dataclass(frozen=True)
class Verdict:
    """Whether an attempt counts.

    Attributes:
        number: of this attempt among those that count, from 1.
        reason: why it does not count, in words; empty if it does.
        next_time: when the next attempt may count; None if this one counts or no other will.
    """

    counts: bool
    number: int
    reason: str = ""
    next_time: datetime | None = None


@dataclass(frozen=True)
class Attempt:
    """A row of the journal.

    Attributes:
        origin: "exchange" or "submitted": where it came from.
        key: the folder's name in the exchange, or the digest of what was handed in.
        received: when the grader's machine got it; students cannot set this.
        state: `WAITING`, `GRADING`, `GRADED`, `HELD` (it does not count) or `FAILED` (a person has to look).
        page: the level of its page, one of `LEVELS` or "held"; None if there is no page yet.
        made_from: a digest of the scores that the page shows; None if it shows none.
    """

    id: int
    assignment: str
    student: str
    origin: str
    key: str
    received: datetime
    state: str
    number: int | None = None
    score: float | None = None
    max_score: float | None = None
    ended: datetime | None = None
    seconds: float | None = None
    page: str | None = None
    made_from: str | None = None
    note: str = ""


class Journal:
    """The attempts of a course, in a SQLite file. Each call is one transaction."""

    def __init__(self, path: Path):
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._open() as database:
            database.execute(SCHEMA)
            if "made_from" not in {row[1] for row in database.execute("PRAGMA table_info(attempts)")}:
                database.execute("ALTER TABLE attempts ADD COLUMN made_from TEXT")  # of an older version

    def add(
        self,
        assignment: str,
        student: str,
        origin: str,
        key: str,
        received: datetime,
        state: str = WAITING,
        number: int | None = None,
        note: str = "",
    ) -> Attempt:
        """Add an attempt; one that is already known stays unchanged."""
        row = (assignment, student, origin, key, received.isoformat(), state, number, note)
        with self._open() as database:
            database.execute(
                "INSERT OR IGNORE INTO attempts (assignment, student, origin, key, received, state, number, note) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )
        found = self.attempts(assignment, student)
        return next(attempt for attempt in found if (attempt.origin, attempt.key) == (origin, key))

    def update(self, attempt: Attempt, **values: object) -> None:
        """Set columns of an attempt."""
        values = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}
        columns = ", ".join(f"{name} = ?" for name in values)
        with self._open() as database:
            database.execute(f"UPDATE attempts SET {columns} WHERE id = ?", (*values.values(), attempt.id))

    def recover(self) -> int:
        """Requeue what a killed grader was grading. Returns the number of attempts."""
        with self._open() as database:
            return database.execute("UPDATE attempts SET state = ? WHERE state = ?", (WAITING, GRADING)).rowcount

    def attempts(self, assignment: str | None = None, student: str | None = None) -> list[Attempt]:
        """In the order in which they were received."""
        clauses = [("assignment = ?", assignment), ("student = ?", student)]
        chosen = [(clause, value) for clause, value in clauses if value is not None]
        where = f"WHERE {' AND '.join(clause for clause, _ in chosen)}" if chosen else ""
        query = f"SELECT * FROM attempts {where} ORDER BY received, id"
        with self._open() as database:
            database.row_factory = sqlite3.Row
            return list(map(_attempt, database.execute(query, [value for _, value in chosen])))

    def known(self) -> set[tuple[str, str, str, str]]:
        """(origin, assignment, student, key) of all attempts."""
        with self._open() as database:
            return set(database.execute("SELECT origin, assignment, student, key FROM attempts"))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, timeout=60)) as connection, connection:
            yield connection


def best(attempts: Iterable[Attempt]) -> Attempt | None:
    """The graded attempt with the most points; of equal ones the last."""
    graded = [attempt for attempt in attempts if attempt.state == GRADED and attempt.score is not None]
    return max(graded, key=lambda attempt: (attempt.score, attempt.received, attempt.id), default=None)


def _attempt(row: sqlite3.Row) -> Attempt:
    values = dict(row)
    for name in ("received", "ended"):
        values[name] = datetime.fromisoformat(values[name]) if values[name] else None
    return Attempt(**values)
