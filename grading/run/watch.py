"""The resident grader: it grades arrivals at once, in interpreters that stay warm, and releases their pages.

It is one process, and the only writer while it works. It locks the course for each burst of work. `make grade` and
`make regrade` stop with a message while another process holds the lock; the resident grader waits for it.

Each attempt is copied to `attempts/`, noted in the journal, put into `submitted/`, graded and saved as by `make grade`.
Then its page is written and released. Every step can be repeated, so nothing is lost if the process is killed.
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
from collections.abc import Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Event
from types import FrameType

from filelock import FileLock, Timeout
from nbgrader.api import Gradebook, MissingEntry
from sqlalchemy.exc import SQLAlchemyError
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from grading.course import cores, temporary_folders
from grading.course.errors import CourseError
from grading.course.folder import Course
from grading.course.safe_text import printed
from grading.execution import interpreters
from grading.execution.bounded import BoundedPool, LimitError
from grading.gradebook import late_penalties, records, scores, secret
from grading.gradebook.database import ClassGradebook, told
from grading.gradebook.records import Record
from grading.intake.submission import Submission, find
from grading.report import attempt_page, feedback
from grading.run import canary, fingerprint, grade, inbox, sanitizing
from grading.run.attempts import FAILED, GRADED, GRADING, HELD, WAITING, Attempt, AttemptPolicy, Journal, best
from grading.run.conversion import Converter, is_unchanged, without_grade
from grading.run.fair_queue import FairQueue
from grading.run.finishing import Ready, Writer
from grading.run.pool import submit
from grading.run.preparation import Preparation
from grading.run.results import Executed, Finished
from grading.run.sanitizing import Sanitized
from grading.sandbox.bubblewrap import why_not
from grading.sandbox.watchdog import proportional_tree

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
        page_only: only make its page again.
        limited: reading it has exceeded a limit once.
        drawing: its page is being made.
    """

    attempt: Attempt
    again: bool = False
    page_only: bool = False
    limited: bool = False
    drawing: bool = False
    converter: Converter | None = None
    record: Record | None = None
    began: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Page:
    """What the page of a graded attempt is made from.

    Attributes:
        level: what it shows, one of `LEVELS`.
        overview: the result, unless it shows everything; None if that could not be made.
        made_from: a digest of the scores.
        refusal: why it does not show as much as the policy allows; empty if it does.
    """

    level: str
    overview: feedback.Overview | None
    made_from: str | None
    refusal: str = ""


@dataclass
class Burst:
    """What all steps of one burst of work share.

    Attributes:
        settings: by assignment, the fingerprint with which its attempts are graded.
        running: what is under way.
        wrong: by assignment, how the grader is wrong about it.
    """

    pool: ProcessPoolExecutor
    gradebook: ClassGradebook
    writer: Writer
    settings: dict[str, str]
    running: dict[Future, Work] = field(default_factory=dict)
    wrong: dict[str, CourseError] = field(default_factory=dict)


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
        self.most = self.jobs + self.queue.slow  # under way at once: none waits for a process
        self.unchanged: dict[Path, float] = {}
        self.graded, self.remark = 0, ""
        self.fingerprints: dict[str, str] = {}
        self._sound: dict[str, str] = {}  # by assignment: the settings with which the canaries were right
        self._outdated: set[int] = set()  # attempts whose pages are queued to be made again
        self._deaths: dict[int, int] = {}  # by attempt: how often the process that graded it has ended
        self._fragile = False  # a process has ended: perhaps because of what is prepared in it

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
        first, measured, looked = self.graded, self.graded, 0.0
        ahead = [] if once or self._fragile else self.assignments
        preparation = Preparation(self.course, ahead, pool, self.most)
        while not self.stopped.is_set():
            try:
                if self.changed.is_set() or time.monotonic() - looked > LOOK:
                    self.changed.clear()
                    looked = time.monotonic()
                    self._look()
                    self._queue_outdated_pages()
                    self._write_health()
                if self.queue:
                    self._burst(pool)
                    self.remark = ""
                else:
                    preparation.go_on()
            except BrokenExecutor:
                self._fragile = True
                log.warning("a process that graded has ended; interpreters are started afresh")
                return
            except (OSError, SQLAlchemyError, sqlite3.Error, CourseError) as error:  # a full disk, a locked gradebook
                if once:
                    raise
                why = told(error) if isinstance(error, SQLAlchemyError) else error
                self.remark = printed(f"cannot continue: {why}")
                log.error(self.remark)
                self._write_health()
                self.stopped.wait(LOOK)
            grown = self.graded > measured and proportional_tree(os.getpid()) > RENEW_ABOVE
            measured = self.graded
            if self.graded - first >= RENEW_AFTER or grown:
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
        """Grade until the queue is empty, as the only writer.

        Raises:
            CourseError: the grader is wrong about an assignment, see `grading.run.canary`. Its attempts wait, and all
                others have been graded.
        """
        with self._alone(), self.course.entered(), ClassGradebook(self.course) as gradebook:
            late_penalties.apply(self.course)
            temporary_folders.sweep()
            settings = {name: self._settings(name) for name in self.assignments}
            burst = Burst(pool, gradebook, Writer(self.course, gradebook), settings)
            running = burst.running
            held: list[Work] = []
            looked = time.monotonic()
            try:
                while (self.queue or running) and not (self.stopped.is_set() and not running):
                    while not self.stopped.is_set() and (taken := self.queue.take()):
                        _, work = taken
                        if not work.page_only and not self._is_right(work, burst):
                            held.append(work)
                            self.queue.done(work.attempt.student)
                            continue
                        self._start(work, burst)
                    if running:
                        done = wait(running, timeout=0.2, return_when=FIRST_COMPLETED).done
                        self._advance([future for future in running if future in done], burst)
                    if self.changed.is_set() or time.monotonic() - looked > LOOK:
                        self.changed.clear()
                        looked = time.monotonic()
                        self._look()
                        self._write_health()
            except BrokenExecutor:
                wait(running)  # no process may still write where the next one will
                for work in running.values():
                    if work.drawing:
                        self._requeue(work)
                    else:
                        self._once_more(work)
                raise
            except Exception:
                wait(running)
                for work in running.values():  # what they give is lost; they run again
                    self._requeue(work)
                raise
            finally:
                for work in reversed(held):
                    self.queue.put_first(work.attempt.student, work)
            for error in burst.wrong.values():
                raise error

    def _is_right(self, work: Work, burst: Burst) -> bool:
        """Whether the canaries of an assignment get the right grades. Before, none of its submissions is read."""
        name = work.attempt.assignment
        if name in burst.wrong:
            return False
        if self._sound.get(name) != burst.settings[name]:
            before, self.remark = self.remark, f"grades the reference of {name} first, to check the grader"
            self._write_health()
            try:
                canary.require_right(self.course, name, burst.gradebook, self.isolated, partial(submit, burst.pool))
            except CourseError as error:
                burst.wrong[name] = error
                return False
            except Exception:
                self._requeue(work)
                raise
            finally:
                self.remark = before
                self._write_health()
            self._sound[name] = burst.settings[name]
        return True

    def _start(self, work: Work, burst: Burst) -> None:
        """Put an attempt into `submitted/`, and let it be read and executed."""
        attempt = work.attempt
        if work.page_only:
            self._draw(work, burst.running)
            return
        work.attempt = self._set(attempt, state=GRADING)
        work.began = time.monotonic()
        try:
            self._place(attempt)
            submission = find(self.course, attempt.assignment, [attempt.student])[0]
            settings = burst.settings[attempt.assignment]
            work.converter = converter = Converter(self.course, submission, burst.gradebook, settings, self.isolated)
            known = records.Record.load(records.file_of(self.course, attempt.assignment, attempt.student))
            before = {attempt.student: known.tests} if known else {}
            if known and is_unchanged(self.course, submission, settings, known, before):  # killed after it
                work.record = known
                self._saved(work, known, burst.running)
                return
        except Exception as error:
            self._fail(work, error)
            return
        burst.running[self._threads.submit(self._read_and_execute, converter, burst.pool)] = work

    def _read_and_execute(
        self, converter: Converter, pool: ProcessPoolExecutor
    ) -> tuple[Sanitized, Executed | Finished]:
        """Sanitize and execute a submission, in a thread that only waits for the processes that do it."""
        sanitized = converter.sanitize(self._sanitizers)
        return sanitized, submit(pool, converter, sanitized).result()

    def _advance(self, done: list[Future], burst: Burst) -> None:
        """Release the pages that are made, and save the submissions that are executed, all together.

        Raises:
            BrokenExecutor: a process has ended; the others are saved.
        """
        running, broken = burst.running, None
        executed: dict[int, Future] = {}
        ready = list[Ready]()
        for future in done:
            work = running[future]
            if work.drawing:
                del running[future]
                self._ended(work, future.result())
                continue
            try:
                sanitized, result = future.result()
                assert work.converter is not None  # it has sanitized the submission
                ready.append(Ready(work.converter, sanitized, result))
                executed[id(work.converter)] = future
            except BrokenExecutor as error:
                broken = error
                self._once_more(running.pop(future))
            except LimitError as error:
                self._limited(running.pop(future), error)
            except Exception as error:
                self._fail(running.pop(future), error)
        for one, ended in burst.writer.save(ready):
            work = running.pop(executed[id(one.converter)])
            if isinstance(ended, Exception):
                self._fail(work, ended)
            else:
                work.record = ended
                self._saved(work, ended, running)
        if broken is not None:
            raise broken

    def _limited(self, work: Work, error: LimitError) -> None:
        """Reading an attempt took too much: try it once more at the end."""
        if work.limited:
            self._fail(work, error)
            return
        log.warning("%s %s: reading it exceeded a limit", work.attempt.student, work.attempt.assignment)
        self._put_last(Work(work.attempt, work.again, limited=True))

    def _saved(self, work: Work, ended: Record, running: dict[Future, Work]) -> None:
        """Note the points of an attempt, and let its page be made."""
        self.graded += 1
        attempt = work.attempt
        if work.again:
            self._set(attempt, state=GRADED)
            self._tell(work)
            return
        spent = round(time.monotonic() - work.began, 3)
        points = {"score": ended.score, "max_score": ended.max_score}
        work.attempt = self._set(attempt, state=GRADED, ended=datetime.now(UTC), seconds=spent, **points)
        self._draw(work, running)

    def _draw(self, work: Work, running: dict[Future, Work]) -> None:
        """Let the page of a graded attempt be made, with as much as the policy allows."""
        work.drawing = True
        running[self._threads.submit(self._drawn, work.attempt, self._level(work.attempt))] = work

    def _drawn(self, attempt: Attempt, level: str) -> Page:
        """In a thread: what a page is made from. Processes with limits read the student's notebook."""
        where, refusal, made_from = (attempt.assignment, attempt.student), "", None
        try:
            with self.course.gradebook() as gradebook:
                made_from = _digest(scores.read(gradebook, *where).get(attempt.student))
            if level == "everything":
                refusal = feedback.page(self.course, *where, self._drawers)
                if not refusal:
                    return Page(level, None, made_from)
                level = "mistakes"
            return Page(level, feedback.overview(self.course, *where, self._drawers), made_from, refusal)
        except Exception as error:
            words = told(error) if isinstance(error, SQLAlchemyError) else str(error)
            return Page("points", None, made_from, refusal or words)

    def _ended(self, work: Work, page: Page) -> None:
        if page.refusal:
            self._note(work.attempt, f"no full feedback page could be made: {page.refusal}")
        self._publish(work.attempt, page)
        if work.page_only:
            self.queue.done(work.attempt.student)
            self._outdated.discard(work.attempt.id)
            return
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
        if isinstance(error, LimitError):
            reason = f"reading the notebook exceeded a limit twice: {error}"  # for the student, too
        state = GRADED if work.again else FAILED
        work.attempt = self._set(work.attempt, state=state, note=printed(reason), ended=datetime.now(UTC))
        self.queue.done(work.attempt.student)
        log.error("%s %s: not graded, %s", work.attempt.student, work.attempt.assignment, printed(reason))
        self._publish(work.attempt)

    def _once_more(self, work: Work) -> None:
        """The process that graded it has ended: try again, at most twice, when there is nothing else to do."""
        deaths = self._deaths.get(work.attempt.id, 0) + 1
        self._deaths[work.attempt.id] = deaths
        if deaths > 2:
            self._fail(work, RuntimeError("grading it crashed three times; grade it by hand"))
            return
        self._put_last(Work(work.attempt, work.again))

    def _put_last(self, work: Work) -> None:
        """Try an attempt again when there is nothing else to do."""
        self.queue.done(work.attempt.student)
        work.attempt = self._set(work.attempt, state=WAITING)
        self.queue.put_last(work.attempt.student, work)

    def _requeue(self, work: Work) -> None:
        """Restart an attempt that was under way when something else failed."""
        self.queue.done(work.attempt.student)
        self.queue.put_first(work.attempt.student, Work(work.attempt, work.again, work.page_only, work.limited))

    def _publish(self, attempt: Attempt, page: Page | None = None) -> None:
        """Release the page of an attempt.

        Args:
            page: what it is made from, if the attempt was graded.
        """
        attempts = self.journal.attempts(attempt.assignment, attempt.student)
        shown, overview = (page.level, page.overview) if page else (attempt.state, None)
        refused = page is not None and page.refusal != ""
        text = attempt_page.render(self.course, attempt, attempts, self.policy, shown, overview, refused)
        token = self._kept(attempt) / "submission_secret.txt"
        exchange = inbox.exchange_folder(self.course)
        if exchange is not None and token.is_file() and not token.is_symlink():
            attempt_page.release(text, exchange, token.read_text(encoding="utf-8"), attempt.assignment)
        if self.pages is not None:
            attempt_page.write(text, self.pages / attempt.student / f"{attempt.assignment}.html")
        level = self._level(attempt) if page else attempt.state
        self._set(attempt, page=level, made_from=page.made_from if page else None)

    def _queue_outdated_pages(self) -> None:
        """Queue the pages of the attempts that count if they would show something else now.

        The due date has passed, or the gradebook's scores have changed: a person has graded answers, or a penalty.
        """
        now = datetime.now(UTC)
        for assignment in self.assignments:
            graded: dict[str, list[Attempt]] = {}
            for attempt in self.journal.attempts(assignment):
                if attempt.state == GRADED:
                    graded.setdefault(attempt.student, []).append(attempt)
            if not graded:
                continue
            with self.course.gradebook() as gradebook:
                found, due = scores.read(gradebook, assignment), _due_dates(gradebook, assignment)
            for student, attempts in graded.items():
                attempt = (best(attempts) if self.policy.counts == "best" else None) or attempts[-1]
                if attempt.page is None or attempt.id in self._outdated or student not in found:
                    continue
                level = self.policy.level(due[student], now)
                if (attempt.page, attempt.made_from) != (level, _digest(found[student])):
                    self._outdated.add(attempt.id)
                    self.queue.put(student, Work(attempt, page_only=True))

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
        if printed(words) not in attempt.note:
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
            with (
                started.make_pool(self.most) as pool,
                BoundedPool(self.most, sanitizing.SECONDS, sanitizing.MEMORY) as self._sanitizers,
                BoundedPool(self.most, feedback.SECONDS, feedback.MEMORY) as self._drawers,
                ThreadPoolExecutor(self.most) as self._threads,
            ):
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
    """A time in the local format."""
    return time.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def _due_dates(gradebook: Gradebook, assignment: str) -> dict[str, datetime | None]:
    """The due date of each student in the gradebook, extensions included."""
    dates = {entry.student_id: entry.duedate for entry in gradebook.find_assignment(assignment).submissions}
    return {student: date and date.replace(tzinfo=UTC) for student, date in dates.items()}


def _digest(submission: scores.Submission | None) -> str | None:
    """A digest of what a page shows of a student's scores; None if there are none."""
    if submission is None:
        return None
    shown = (sorted(submission.cells.items()), sorted(submission.remarks.items()), submission.penalty)
    return hashlib.sha256(repr(shown).encode("utf-8", "backslashreplace")).hexdigest()
