"""The record of how each submission was graded: `records/<assignment>/<student>.json`, beside the gradebook.

nbgrader's gradebook holds the scores. The record adds what the gradebook has no place for: how the grading ended, the
repairs, the recognized mistakes, the time of each cell, and a fingerprint of the files that decided the grade.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

from grading.course.folder import Course
from grading.course.safe_text import printed

# How the grading of a submission can end. In the first four it has a grade.
GRADED, REPAIRED, TIMED_OUT, DIED = "graded", "repaired", "cell_timed_out", "kernel_died"
UNREADABLE, MISSING, UNCLEAR = "notebook_unreadable", "notebook_missing", "notebook_unclear"
LINK, NOT_GRADABLE = "symbolic_link", "not_gradable"
NEEDS_TORCH = "it needs torch, so it was followed where torch is, without its optimizers"  # a suspicion that is none
# How each state reads, in every table and page.
WORDS = {
    GRADED: "graded",
    REPAIRED: "graded after repair",
    TIMED_OUT: "graded; a cell ran out of time",
    DIED: "graded; a cell ended Python",
    UNREADABLE: "not graded, unreadable",
    MISSING: "not graded, no notebook",
    UNCLEAR: "not graded, unclear which notebook",
    LINK: "not graded, a link",
    NOT_GRADABLE: "not graded",
}
MOST = 100  # repairs and the like that are kept
WITH_A_GRADE = (GRADED, REPAIRED, TIMED_OUT, DIED)


@dataclass
class Record:
    """How the grading of one submission ended.

    Attributes:
        state: one of the names above.
        reason: in plain words what the state means here; empty if graded without any remark.
        repairs: what had to be repaired in the notebook, in plain words.
        suspicions: signs that torch did the exercise for the student. A person should look.
        faults: for each broken hidden test its name, a colon and the traceback. A person gives the points.
        traceback: of the grader's own error that prevented a grade.
        score, max_score: points in this assignment when it was graded; None without a grade.
        tests: by test cell `{"exercise", "points", "max", "error", "mistake", "empty"}`: points, the first line of its
            message and the catalogue's name of the mistake, both empty if there is none; whether nothing was written.
        seconds: how long the notebook ran.
        cell_seconds: by grade_id, or by cell id for a student's own cell.
        isolated: whether the student's code ran in a sandbox.
        fingerprint: a hash of all that decides the grade: the submission, the tests, the settings.
        graded_at: when, in ISO 8601, UTC.
        not_shown: what the feedback page omits or simplifies, in plain words.
        unchanged: the grade is an earlier one, because nothing has changed since. Not stored in the file.
    """

    student: str
    assignment: str
    state: str
    reason: str = ""
    repairs: list[str] = field(default_factory=list)
    suspicions: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list, compare=False)
    traceback: str = field(default="", compare=False)
    score: float | None = None
    max_score: float | None = None
    tests: dict[str, dict] = field(default_factory=dict)
    seconds: float = field(default=0.0, compare=False)
    cell_seconds: dict[str, float] = field(default_factory=dict, compare=False)
    isolated: bool = True
    fingerprint: str = field(default="", compare=False)
    graded_at: str = field(default="", compare=False)
    not_shown: list[str] = field(default_factory=list, compare=False)
    unchanged: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        # All of this may come from a student: limit its size, and remove terminal control sequences.
        self.reason, self.repairs = printed(self.reason), [printed(words) for words in self.repairs[:MOST]]
        self.suspicions = [printed(words) for words in self.suspicions[:MOST]]
        self.not_shown = [printed(words) for words in self.not_shown[:MOST]]

    @property
    def state_words(self) -> str:
        """What the state means, in a few words."""
        return WORDS.get(self.state, printed(self.state.replace("_", " ")))

    @property
    def has_grade(self) -> bool:
        return self.state in WITH_A_GRADE

    def save(self, course: Course) -> None:
        """Write the record atomically: a reader sees the old record or this one, even after a crash."""
        self.prepare(course).replace(file_of(course, self.assignment, self.student))

    def prepare(self, course: Course) -> Path:
        """Write the record to a temporary file. It takes effect when that file is renamed to `file_of`."""
        path = file_of(course, self.assignment, self.student)
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_suffix(".half")
        half.write_bytes(self._text().encode("utf-8", "backslashreplace"))
        return half

    def _text(self) -> str:
        """The record as JSON, a line for each test: `json.dumps` takes five times as long to indent it."""
        told = json.JSONEncoder(ensure_ascii=False).encode
        lines = {name: told(value) for name, value in vars(self).items() if name != "unchanged"}
        tests = ",\n".join(f"  {told(name)}: {told(found)}" for name, found in self.tests.items())
        lines["tests"] = f"{{\n{tests}\n }}" if tests else "{}"
        return "{\n" + ",\n".join(f" {told(name)}: {text}" for name, text in lines.items()) + "\n}\n"

    @classmethod
    def load(cls, path: Path) -> "Record | None":
        """Read a record; None if there is none that can be read."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None


def file_of(course: Course, assignment: str, student: str) -> Path:
    """Where the record of a submission is kept."""
    return course.root / "records" / assignment / f"{student}.json"


def read_one(course: Course, assignment: str, student: str) -> Record | None:
    """The record of one submission; None if there is none that can be read."""
    return Record.load(file_of(course, assignment, student))


def read(course: Course, assignment: str) -> dict[str, Record]:
    """The records of an assignment by student, in their order; unreadable ones are left out."""
    paths = sorted((course.root / "records" / assignment).glob("*.json"))
    # A name that is no UTF-8 could be written nowhere.
    found = {path.stem.encode("utf-8", "backslashreplace").decode(): Record.load(path) for path in paths}
    return {student: record for student, record in found.items() if record is not None}
