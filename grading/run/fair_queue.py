"""A fair queue: neither one student's many submissions nor slow notebooks delay the others by more than their share."""

import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Task = TypeVar("Task")

MEMORY = 600.0  # seconds until half of what a student has used is forgotten
SLOW = 5.0  # seconds after which a submission counts as slow


@dataclass
class FairQueue(Generic[Task]):
    """A queue for each student. The student who has used the least time lately is next, with one task at a time.

    Args:
        jobs: how many tasks run at once, those that are slow not counted.
        slow: how many slow tasks run besides.
    """

    jobs: int
    slow: int = 2
    _waiting: dict[str, deque[Task]] = field(default_factory=lambda: defaultdict(deque))
    _running: dict[str, float] = field(default_factory=dict)
    _last: set[str] = field(default_factory=set)
    _used: dict[str, tuple[float, float]] = field(default_factory=dict)  # by student: seconds, and as of when

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def put(self, student: str, task: Task) -> None:
        """Add a task behind the student's other ones."""
        self._waiting[student].append(task)

    def put_first(self, student: str, task: Task) -> None:
        """Add a task before the student's other ones."""
        self._waiting[student].appendleft(task)

    def put_last(self, student: str, task: Task) -> None:
        """Add a task before the student's other ones, to start when there is nothing else to do."""
        self._waiting[student].appendleft(task)
        self._last.add(student)

    def take(self, now: float | None = None) -> tuple[str, Task] | None:
        """The next task, which counts as running until `done`; None if none may start now."""
        now = time.monotonic() if now is None else now
        ready = [student for student, tasks in self._waiting.items() if tasks and student not in self._running]
        slow_ones = sum(now - began > SLOW for began in self._running.values())
        if not ready or len(self._running) >= self.jobs + self.slow or len(self._running) - slow_ones >= self.jobs:
            return None
        others = [student for student in ready if student not in self._last]
        if not others and self._running:
            return None
        student = min(others or ready, key=lambda name: self.used(name, now))
        self._last.discard(student)
        self._running[student] = now
        return student, self._waiting[student].popleft()

    def done(self, student: str, now: float | None = None) -> None:
        """The student's task has ended."""
        now = time.monotonic() if now is None else now
        spent = now - self._running.pop(student)
        self._used[student] = (self.used(student, now) + spent, now)
        if not self._waiting[student]:
            del self._waiting[student]

    def used(self, student: str, now: float) -> float:
        """The seconds that a student's tasks have taken; older ones count less."""
        seconds, then = self._used.get(student, (0.0, now))
        return seconds * 0.5 ** ((now - then) / MEMORY)
