"""The resident grader: it grades arrivals at once, in interpreters that stay warm, and releases their pages.

It is one process, and the only writer while it works. It locks the course for each burst of work: `make grade`,
`regrade` and `late` wait for the burst to end, and it waits for them.

Each attempt is copied to `attempts/`, noted in the journal, put into `submitted/`, graded and saved as by `make grade`;
then its page is made and released. Every step can be repeated, so nothing is lost if the process is killed in between.
"""

import contextlib
import hashlib
import json
import logging
import os
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Event
from types import FrameType

import psutil
from filelock import FileLock, Timeout
from nbgrader.api import MissingEntry
from sqlalchemy.exc import SQLAlchemyError
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from grading.course import cores, temporary_folders
from grading.course.folder import Course, CourseError
from grading.course.safe_text import printed
from grading.execution import interpreters
from grading.execution.bounded import Bounded
from grading.gradebook import late_penalties, records, secret
from grading.gradebook.database import ClassGradebook, told
from grading.gradebook.records import Record
from grading.intake.submission import Submission, find
from grading.report import attempt_page, feedback
from grading.run import canary, fingerprint, grade, inbox, sanitizing
from grading.run.attempts import FAILED, GRADED, GRADING, HELD, WAITING, Attempt, AttemptPolicy, Journal, best
from grading.run.conversion import Converter, Executed, is_unchanged, without_grade
from grading.run.fair_queue import FairQueue
from grading.run.pool import submit
from grading.sandbox.bubblewrap import why_not

LOOK = 5.0  # seconds between two looks at all folders, beside what the system tells of changes
RENEW_AFTER = 400  # submissions, until interpreters are started afresh
RENEW_ABOVE = 3 * 2**30  # bytes of memory of all processes together, likewise
LOCK_PATIENCE = 2.0  # seconds until somebody else's lock is said to be waited for

log = logging.getLogger("grading.watch")


@dataclass
class Work:
    """A submission that is under way.

    Attributes:
        attempt: what is graded.
        again: grade it only so that it counts again; its page exists already.
        save: writes the worker's results to the gradebook.
    """

    attempt: Attempt
    again: bool = False
    converter: Converter | None = None
    save: Callable[[Executed], Record] | None = None
    record: Record | None = None
    began: float = field(default_factory=time.monotonic)


def journal_of(course: Course) -> Journal:
    """The journal of a course's attempts."""
    return Journal(course.root / "records" / "attempts.db")


def health_file(course: Course) -> Path:
    """A small JSON file that is rewritten every few seconds, for a supervisor and for `make status`."""
    return course.root / "records" / "watch.json"


class Watcher:
    """Grades arrivals until `stop` is called.

    Args:
        course: the course folder, released.
        assignments: only these are graded.
        jobs: how many submissions run at once; by default one for each core.
        pages: a folder to which pages are copied besides, `<student>/<assignment>.html`.

    Raises:
        CourseError: an assignment cannot be released, students' code cannot be isolated here, or the secret is missing.
    """

    def __init__(self, course: Course, assignments: list[str], jobs: int | None = None, pages: Path | None = None):
        for name in assignments:
            course.source(name)
            grade.release_if_unknown(course, name)
        secret.of(course)
        self.isolated = course.config.Execute.get("sandbox") != "none"
        if self.isolated and why_not():
            raise CourseError(str(why_not()))
        self.course, self.assignments, self.pages = course, assignments, pages
        self.jobs = jobs or cores.usable()
        self.policy = AttemptPolicy(config=course.config)
        self.journal = journal_of(course)
        self.since = datetime.now(UTC)
        self.changed, self.stopped = Event(), Event()
        self.queue: FairQueue[Work] = FairQueue(self.jobs)
        self.unchanged: dict[Path, float] = {}
        self.graded, self.remark = 0, ""
        self.fingerprints: dict[str, str] = {}
        self._sound: dict[str, str] = {}  # by assignment: the settings with which the canaries were right
        self._deaths: dict[int, int] = {}  # by attempt: how often the process that graded it has ended

    def run(self) -> None:
        """Watch until `stop` is called."""
        recovered = self.journal.recover()
        if recovered:
            log.info("%d attempts that were under way when the grader ended are graded again", recovered)
        for attempt in self.journal.attempts():
            if attempt.assignment in self.assignments:
                if attempt.state == WAITING or (attempt.state == GRADED and attempt.page is None):
                    self.queue.put(attempt.student, Work(attempt))
                elif attempt.page is None and self._kept(attempt).is_dir():
                    self._publish(attempt)
        (self.course.root / "submitted").mkdir(exist_ok=True)
        with self._observed():
            while not self.stopped.is_set():
                with self._interpreters() as pool:
                    self._work_with(pool)

    def stop(self, number: int = 0, frame: FrameType | None = None) -> None:
        """End after the current burst of work; also a signal handler."""
        self.stopped.set()
        self.changed.set()

    def until_idle(self) -> None:
        """Grade all waiting submissions once and return: for tests and for cron."""
        with self._interpreters() as pool:
            self._work_with(pool, once=True)

    def _work_with(self, pool: ProcessPoolExecutor, once: bool = False) -> None:
        """Grade arrivals with these interpreters, until they should be renewed."""
        first, looked = self.graded, 0.0
        while not self.stopped.is_set():
            try:
                if self.changed.is_set() or time.monotonic() - looked > LOOK:
                    self.changed.clear()
                    looked = time.monotonic()
                    self._look()
                    self._unveil()
                    self._write_health()
                if self.queue:
                    self._burst(pool)
                    self.remark = ""
            except BrokenExecutor:
                log.warning("a process that graded has ended; interpreters are started afresh")
                return
            except (OSError, SQLAlchemyError, sqlite3.Error, CourseError) as error:  # a full disk, a locked gradebook
                if once:
                    raise
                self.remark = printed(f"cannot go on: {told(error) if isinstance(error, SQLAlchemyError) else error}")
                log.error(self.remark)
                self._write_health()
                self.stopped.wait(LOOK)
            if self.graded - first >= RENEW_AFTER or (self.graded > first and _memory() > RENEW_ABOVE):
                log.info("interpreters are started afresh after %d submissions", self.graded - first)
                return
            if once:
                return
            self.changed.wait(0.2 if self.queue else 1.0)

    def _look(self) -> None:
        """Note new arrivals and queue them."""
        known = self.journal.known()
        arrivals = inbox.in_exchange(self.course, self.assignments)
        arrivals += inbox.in_submitted(self.course, self.assignments, self.unchanged)
        for arrival in arrivals:
            if (arrival.origin, arrival.assignment, arrival.student, arrival.key) in known:
                continue
            if arrival.origin == inbox.SUBMITTED and self._is_own_copy(arrival):
                continue
            self._receive(arrival)

    def _is_own_copy(self, arrival: inbox.Arrival) -> bool:
        """Whether this grader itself put the files into `submitted/`."""
        kept = self.course.root / "attempts" / arrival.assignment / arrival.student
        folders = kept.iterdir() if kept.is_dir() else ()
        return any(
            Submission(arrival.student, arrival.assignment, folder).digest() == arrival.key for folder in folders
        )

    def _receive(self, arrival: inbox.Arrival) -> None:
        """Keep a copy of an arrival, decide whether it counts, and note it."""
        new = partial(
            self.journal.add, arrival.assignment, arrival.student, arrival.origin, arrival.key, arrival.received
        )
        if arrival.refusal:
            new(FAILED, note=arrival.refusal)
            log.warning("%s %s: not taken, %s", arrival.student, arrival.assignment, arrival.refusal)
            return
        note = inbox.keep(arrival, self._folder(arrival.assignment, arrival.student, arrival.key))
        attempts = self.journal.attempts(arrival.assignment, arrival.student)
        earlier = [attempt.received for attempt in attempts if attempt.state in (WAITING, GRADING, GRADED)]
        verdict = self.policy.verdict([time for time in earlier if time <= arrival.received], arrival.received)
        if verdict.counts:
            attempt = new(WAITING, number=verdict.number, note=note)
            self.queue.put(attempt.student, Work(attempt))
            return
        until = f"; the next one counts from {local(verdict.next_time)}" if verdict.next_time else ""
        attempt = new(HELD, note=f"{verdict.reason}{until}")
        log.info("%s %s: does not count, %s", attempt.student, attempt.assignment, verdict.reason)
        if arrival.origin == inbox.SUBMITTED:
            self._restore(attempt)
        self._publish(attempt)

    def _restore(self, attempt: Attempt) -> None:
        """Put the attempt that counts back into `submitted/`, because the new one does not count."""
        counted = [a for a in self.journal.attempts(attempt.assignment, attempt.student) if a.state == GRADED]
        chosen = best(counted) if self.policy.counts == "best" else counted[-1] if counted else None
        if chosen is not None:
            self._place(chosen)

    def _burst(self, pool: ProcessPoolExecutor) -> None:
        """Grade until the queue is empty, as the only writer."""
        with self._alone(), self.course.entered(), ClassGradebook(self.course) as gradebook:
            late_penalties.apply(self.course)
            temporary_folders.sweep()
            settings = {name: self._settings(name) for name in self.assignments}
            running: dict[Future, Work] = {}
            looked = time.monotonic()
            try:
                while (self.queue or running) and not (self.stopped.is_set() and not running):
                    while not self.stopped.is_set() and (taken := self.queue.take()):
                        _, work = taken
                        self._start(work, pool, gradebook, settings, running)
                    if running:
                        for future in wait(running, timeout=0.2, return_when=FIRST_COMPLETED).done:
                            self._advance(running.pop(future), future, pool, running)
                    if self.changed.is_set() or time.monotonic() - looked > LOOK:
                        self.changed.clear()
                        looked = time.monotonic()
                        self._look()
                        self._write_health()
            except BrokenExecutor:
                for work in running.values():
                    self._once_more(work)
                raise
            except Exception:
                for work in running.values():  # what they give is lost; they run again
                    self.queue.done(work.attempt.student)
                    self.queue.put_first(work.attempt.student, Work(work.attempt, work.again))
                raise

    def _start(
        self,
        work: Work,
        pool: ProcessPoolExecutor,
        gradebook: ClassGradebook,
        settings: dict[str, str],
        running: dict[Future, Work],
    ) -> None:
        """Put an attempt into `submitted/`, sanitize it, and start it.

        Raises:
            CourseError: the grader is wrong about the assignment, see `grading.run.canary`: the attempt waits.
        """
        attempt = work.attempt
        if self._sound.get(attempt.assignment) != settings[attempt.assignment]:
            try:
                canary.require_right(self.course, attempt.assignment, gradebook, self.isolated, partial(submit, pool))
            except Exception:
                self.queue.done(attempt.student)
                self.queue.put_first(attempt.student, work)
                raise
            self._sound[attempt.assignment] = settings[attempt.assignment]
        work.attempt = self._set(attempt, state=GRADING)
        work.began = time.monotonic()
        try:
            self._place(attempt)
            submission = find(self.course, attempt.assignment, [attempt.student])[0]
            settings_here = settings[attempt.assignment]
            work.converter = converter = Converter(self.course, submission, gradebook, settings_here, self.isolated)
            known = records.Record.load(records.file_of(self.course, attempt.assignment, attempt.student))
            scores = {attempt.student: known.tests} if known else {}
            if known and is_unchanged(self.course, submission, settings_here, known, scores):  # killed after it
                work.record = known
                self._saved(work, known, pool, running)
                return
            sanitized = converter.sanitize(self._sanitizer)
            work.save = partial(converter.save, sanitized)
            future = submit(pool, converter, sanitized)
        except BrokenExecutor:
            self._once_more(work)
            raise
        except Exception as error:
            self._fail(work, error)
            return
        running[future] = work

    def _advance(self, work: Work, future: Future, pool: ProcessPoolExecutor, running: dict[Future, Work]) -> None:
        """Save an executed submission, or note that its page is done."""
        if isinstance(future.exception(), BrokenExecutor):
            self._once_more(work)
            raise BrokenExecutor
        if work.record is not None or work.save is None:  # saved before: this was its page
            refusal = future.exception() or future.result()
            if refusal:
                self._note(work.attempt, f"no full feedback page could be made: {refusal}")
            self._ended(work, shown="mistakes" if refusal else None)
            return
        try:
            work.record = work.save(future.result())
        except Exception as error:
            self._fail(work, error)
            return
        self._saved(work, work.record, pool, running)

    def _saved(self, work: Work, ended: Record, pool: ProcessPoolExecutor, running: dict[Future, Work]) -> None:
        """Note the points of an attempt, and let its page be made."""
        self.graded += 1
        attempt = work.attempt
        if work.again:
            self._set(attempt, state=GRADED)
            self._tell(work)
            return
        spent = round(time.monotonic() - work.began, 3)
        scores = {"score": ended.score, "max_score": ended.max_score}
        work.attempt = self._set(attempt, state=GRADED, ended=datetime.now(UTC), seconds=spent, **scores)
        if self._level(work.attempt) == "everything":
            root = str(self.course.root)
            running[pool.submit(feedback.page, root, attempt.assignment, attempt.student)] = work
        else:
            self._ended(work)

    def _ended(self, work: Work, shown: str | None = None) -> None:
        self._publish(work.attempt, shown)
        self._tell(work)
        self._let_the_best_count(work.attempt)

    def _let_the_best_count(self, attempt: Attempt) -> None:
        """If the best attempt counts and this is not it, queue the best one for grading again."""
        if self.policy.counts == "best":
            winner = best(self.journal.attempts(attempt.assignment, attempt.student))
            if winner is not None and winner.id != attempt.id:
                self.queue.put_first(attempt.student, Work(winner, again=True))

    def _tell(self, work: Work) -> None:
        """One line for the log."""
        self.queue.done(work.attempt.student)
        ended = work.record
        words = f"{ended.score:g} of {ended.max_score:g} points" if ended and ended.has_grade else "not graded"
        number = "counts again" if work.again else f"attempt {work.attempt.number}"
        seconds = time.monotonic() - work.began
        log.info("%s %s: %s, %s, %.2f s", work.attempt.student, work.attempt.assignment, number, words, seconds)

    def _fail(self, work: Work, error: Exception) -> None:
        """An attempt that could not be graded: a person has to look, and an earlier grade stays as it is."""
        submission = work.converter.submission if work.converter else None
        reason = f"{type(error).__name__}: {error}"
        if submission is not None:
            work.record = without_grade(self.course, submission, error, self.isolated)
            reason = work.record.reason
        state = GRADED if work.again else FAILED
        work.attempt = self._set(work.attempt, state=state, note=printed(reason), ended=datetime.now(UTC))
        self.queue.done(work.attempt.student)
        log.error("%s %s: not graded, %s", work.attempt.student, work.attempt.assignment, printed(reason))
        self._publish(work.attempt)

    def _once_more(self, work: Work) -> None:
        """The process that graded it has ended: try again, at most twice, and then alone."""
        deaths = self._deaths.get(work.attempt.id, 0) + 1
        self._deaths[work.attempt.id] = deaths
        if deaths > 2:
            self._fail(work, RuntimeError("grading it crashed three times; grade it by hand"))
            return
        self.queue.done(work.attempt.student)
        attempt = self._set(work.attempt, state=WAITING)
        self.queue.put_first(attempt.student, Work(attempt, work.again))

    def _publish(self, attempt: Attempt, shown: str | None = None) -> None:
        """Make the page of an attempt, with as much as the policy allows, and release it.

        Args:
            shown: a lower level, if the full page could not be made.
        """
        level = attempt.state if attempt.state != GRADED else self._level(attempt)
        attempts = self.journal.attempts(attempt.assignment, attempt.student)
        text = attempt_page.render(self.course, attempt, attempts, self.policy, shown or level)
        token = self._kept(attempt) / "submission_secret.txt"
        exchange = inbox.exchange_folder(self.course)
        if exchange is not None and token.is_file() and not token.is_symlink():
            attempt_page.release(text, exchange, token.read_text(encoding="utf-8"), attempt.assignment)
        if self.pages is not None:
            attempt_page.write(text, self.pages / attempt.student / f"{attempt.assignment}.html")
        self._set(attempt, page=level)

    def _unveil(self) -> None:
        """After the due date, pages may show more: make the pages of the attempts that count again."""
        for assignment in self.assignments:
            last: dict[str, Attempt] = {}
            for attempt in self.journal.attempts(assignment):
                if attempt.state == GRADED:
                    last[attempt.student] = attempt
            for student, attempt in last.items():
                if self.policy.counts == "best":
                    attempt = best(self.journal.attempts(assignment, student)) or attempt
                if attempt.page and attempt.page in ("points", "mistakes") and self._level(attempt) != attempt.page:
                    if self._level(attempt) == "everything":
                        feedback.page(str(self.course.root), assignment, student)
                    self._publish(attempt)

    def _level(self, attempt: Attempt) -> str:
        return self.policy.level(self._due(attempt), datetime.now(UTC))

    def _due(self, attempt: Attempt) -> datetime | None:
        """The due date of a student, extension included."""
        with self.course.gradebook() as gradebook:
            date = gradebook.find_assignment(attempt.assignment).duedate
            if date is None:
                return None
            with contextlib.suppress(MissingEntry):
                date = gradebook.find_submission(attempt.assignment, attempt.student).duedate or date
            return date.replace(tzinfo=UTC)

    def _settings(self, assignment: str) -> str:
        """The current fingerprint; logs a message if it differs from the one at the start."""
        now = fingerprint.of_course(self.course, assignment)
        before = self.fingerprints.setdefault(assignment, now)
        if now != before:
            self.fingerprints[assignment] = now
            self.remark = f"{assignment}: the tests or settings have changed; run make regrade ASSIGNMENT={assignment}"
            log.warning(self.remark)
        return now

    def _kept(self, attempt: Attempt) -> Path:
        """Where the copy of an attempt is kept for good."""
        return self._folder(attempt.assignment, attempt.student, attempt.key)

    def _folder(self, assignment: str, student: str, key: str) -> Path:
        name = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        return self.course.root / "attempts" / assignment / student / name

    def _place(self, attempt: Attempt) -> None:
        """Put an attempt into `submitted/`, where `make grade` and nbgrader look."""
        target = self.course.root / "submitted" / attempt.student / attempt.assignment
        kept = self._kept(attempt)
        there = Submission(attempt.student, attempt.assignment, target)
        if attempt.origin == inbox.SUBMITTED and target.is_dir() and there.digest() == attempt.key:
            return  # it is there already
        draft = target.with_name(f".{attempt.assignment}.arriving")
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(kept, draft, symlinks=True)
        if target.exists():
            shutil.rmtree(target)
        draft.rename(target)

    def _set(self, attempt: Attempt, **values: object) -> Attempt:
        self.journal.update(attempt, **values)
        return next(a for a in self.journal.attempts(attempt.assignment, attempt.student) if a.id == attempt.id)

    def _note(self, attempt: Attempt, words: str) -> None:
        self._set(attempt, note=printed("; ".join(filter(None, (attempt.note, words)))))
        log.error("%s %s: %s", attempt.student, attempt.assignment, printed(words))

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lock of the course; waits for another command to release it."""
        began, said = time.monotonic(), False
        while True:
            with contextlib.ExitStack() as stack:
                try:
                    stack.enter_context(self.course.alone())
                except CourseError:
                    if not said and time.monotonic() - began > LOCK_PATIENCE:
                        said = True
                        self.remark = "waits for another command that grades in this course"
                        log.info(self.remark)
                        self._write_health()
                    if self.stopped.wait(0.2):
                        raise
                    continue
                if said:
                    self.remark = ""
                yield
                return

    @contextlib.contextmanager
    def _interpreters(self) -> Iterator[ProcessPoolExecutor]:
        warm = self.isolated and self.course.config.Execute.get("warm", True)
        with interpreters.start(self.course, self.assignments, warm) as started:
            started.prepare_followers()
            sanitizer = Bounded(sanitizing.SECONDS, sanitizing.MEMORY)
            with started.make_pool(self.jobs + self.queue.slow) as pool, sanitizer as self._sanitizer:
                yield pool

    @contextlib.contextmanager
    def _observed(self) -> Iterator[None]:
        """Subscribe to the system's notifications of changes."""
        observer = Observer()
        exchange = inbox.exchange_folder(self.course)
        if exchange is not None:
            observer.schedule(_Wake(self.changed), str(exchange / "inbound"), recursive=True)
        observer.schedule(_Wake(self.changed), str(self.course.root / "submitted"), recursive=True)
        observer.start()
        try:
            yield
        finally:
            observer.stop()
            observer.join()

    def _write_health(self) -> None:
        """Write the health file: pid, times, counts, and a remark."""
        words = {
            "pid": os.getpid(),
            "since": self.since.isoformat(timespec="seconds"),
            "now": datetime.now(UTC).isoformat(timespec="seconds"),
            "waiting": len(self.queue),
            "graded": self.graded,
            "remark": self.remark,
        }
        draft = health_file(self.course).with_suffix(".half")
        with contextlib.suppress(OSError):  # a full disk: the next time perhaps
            draft.write_text(json.dumps(words) + "\n", encoding="utf-8")
            draft.replace(health_file(self.course))


class _Wake(FileSystemEventHandler):
    """Sets an event when a file was created or changed."""

    def __init__(self, event: Event):
        self.event = event

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type in ("created", "modified", "moved", "closed"):
            self.event.set()


def watch(course: Course, assignments: list[str], jobs: int | None = None, pages: Path | None = None) -> None:
    """Grade what arrives until SIGTERM or Ctrl-C.

    Raises:
        CourseError: another watcher is running, an assignment is not released, or nothing can be isolated.
    """
    (course.root / "records").mkdir(exist_ok=True)
    lock = FileLock(course.root / "records" / ".watch.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise CourseError("Another `make watch` is running in this course; see `make status`.") from None
    with lock:
        watcher = Watcher(course, assignments, jobs, pages)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, watcher.stop)
        log.info("watching %s; grades %d at once", ", ".join(assignments), watcher.jobs)
        try:
            watcher.run()
        finally:
            health_file(course).unlink(missing_ok=True)
        log.info("stopped after %d submissions", watcher.graded)


def local(time: datetime) -> str:
    """A time as people here write it."""
    return time.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def _memory() -> int:
    """Memory in bytes of this process and its descendants; shared pages count once for each process."""
    here = psutil.Process()
    total = 0
    for process in [here, *here.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            total += process.memory_info().rss - getattr(process.memory_info(), "shared", 0)
    return total
