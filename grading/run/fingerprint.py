"""A hash of everything that decides a grade. A submission whose fingerprint has not changed is not graded again.

Parts that only show grades do not count: the report, feedback pages, commands and documents. Neither do due dates,
extensions and the late rule: `gradebook.late_penalties` recomputes penalties without running anything.
"""

import hashlib
from pathlib import Path

from traitlets.config import Config

import grading
from grading.course.folder import Course
from grading.gradebook import records, secret
from grading.intake.submission import Submission

# Parts of `grading/` that decide grades: packages, and single modules of others.
DECIDING = (
    *("course", "probe", "sandbox", "oracle", "kernels", "intake", "execution"),
    *("gradebook/database.py", "gradebook/submission_rows.py", "gradebook/secret.py", "run/grade.py"),
    *("run/conversion.py", "run/results.py", "run/finishing.py", "run/canary.py"),
    *("run/sanitizing.py", "run/parcel.py", "run/pool.py"),
)
# Sections of nbgrader_config.py that do not decide grades.
SHOWING = {
    *("AssignLatePenalties", "LatePolicy", "AttemptPolicy", "GenerateFeedback", "LmsExporter", "FormgradeExtension"),
    *(
        "NbGraderAPI",
        "CourseDirectory",
        "ZipCollectApp",
        "FeedbackExporter",
        "MoodleExporter",
        "CanvasExporter",
        "Canvas",
    ),
}
NOT_DECIDING = {"Execute": {"warm"}}  # settings: a forked kernel gives the same grade as a fresh one


def of_course(course: Course, assignment: str) -> str:
    """A hash of all that decides grades in an assignment beside the submission: tests, catalogue, settings, grader.

    Raises:
        CourseError: the course's secret is missing, see `grading.gradebook.secret`.
    """
    whole = hashlib.sha256(_settings(course).encode())
    whole.update(hashlib.sha256(secret.of(course)).digest())
    root = course.root
    paths = [root / "mistakes" / f"{assignment}.toml"]
    for folder in (root / "source" / assignment, root / "release" / assignment):
        paths += sorted(path for path in folder.rglob("*") if path.is_file() and ".ipynb_checkpoints" not in path.parts)
    for path in paths:
        if path.is_file():
            whole.update(_line(path.relative_to(root), path))
    inside = Path(grading.__file__).parent
    for path in grader_files():
        whole.update(_line(path.relative_to(inside), path))
    return whole.hexdigest()


def of_submission(of_course: str, digest: str) -> str:
    """The fingerprint of a submission, from those of its course and of its files (`Submission.digest`)."""
    return hashlib.sha256(f"{of_course} {digest}".encode()).hexdigest()


def outdated(course: Course, assignment: str) -> list[str]:
    """The students whose grade was made with other tests, other settings or another grader: `make regrade` is due.

    A student whose submission has changed since it was graded is among them.

    Raises:
        CourseError: the course's secret is missing, see `grading.gradebook.secret`.
    """
    graded = {student: known for student, known in records.read(course, assignment).items() if known.has_grade}
    now = of_course(course, assignment)
    found = []
    for student, known in graded.items():
        folder = course.root / "submitted" / student / assignment
        submission = Submission(student, assignment, folder, course.coursedir.ignore)
        if folder.is_dir() and known.fingerprint != of_submission(now, submission.digest()):
            found.append(student)
    return found


def grader_files() -> list[Path]:
    """The files of the grader that decide grades, in order."""
    inside = Path(grading.__file__).parent
    found: set[Path] = set()
    for name in DECIDING:
        found.update(
            (inside / name).rglob("*.py") if (inside / name).is_dir() else {inside / name} & {*inside.rglob(name)}
        )
    return sorted(found)


def _line(name: Path, path: Path) -> bytes:
    return f"\0{name.as_posix()}\0{hashlib.sha256(path.read_bytes()).hexdigest()}".encode("utf-8", "surrogateescape")


def _settings(course: Course) -> str:
    """The settings that decide grades, as text; the whole file if it defines its own classes."""
    told = []
    for section, values in sorted(course.config.items()):
        if isinstance(values, Config) and section not in SHOWING:
            kept = {name: value for name, value in values.items() if name not in NOT_DECIDING.get(section, ())}
            if kept:
                told.append(f"{section}: {sorted((name, _text(value, course)) for name, value in kept.items())}")
    return "\n".join(told)


def _text(value: object, course: Course) -> str:
    """A setting as text that is the same in every process."""
    if isinstance(value, list | tuple):
        return str([_text(one, course) for one in value])
    if isinstance(value, dict):
        return str(sorted((str(name), _text(one, course)) for name, one in value.items()))
    if isinstance(value, type) or callable(value):
        name = f"{value.__module__}.{getattr(value, '__qualname__', '')}"
        if value.__module__ in ("builtins", "__main__"):  # defined in the settings themselves
            name += hashlib.sha256((course.root / "nbgrader_config.py").read_bytes()).hexdigest()
        return name
    return repr(value)
