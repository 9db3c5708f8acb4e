"""Feedback pages for students, without the hidden tests."""

import hashlib
import re
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import nbconvert
import pygments
from nbconvert.exporters.templateexporter import TemplateExporter
from nbformat import NotebookNode
from nbgrader.converters import GenerateFeedback
from nbgrader.converters.base import NbGraderException
from nbgrader.preprocessors import GetGrades, NbGraderPreprocessor
from nbgrader.utils import find_all_files

import grading
from grading.course import cores, notebooks
from grading.course.errors import CourseError
from grading.course.folder import Course
from grading.execution.bounded import BoundedPool, LimitError
from grading.execution.workers import begin
from grading.gradebook import records, scores
from grading.gradebook.scores import Submission
from grading.report import safe_html

SECONDS = 20.0  # of processor time for a page; an ordinary one takes a tenth of a second
MEMORY = 2**30  # bytes for what a page is made of


class Grades(GetGrades):
    """nbgrader's `GetGrades`, which queries the gradebook for every cell, with scores that were read in advance.

    They are in `resources["nbgrader"]["scores"]`, and the assignment's maximum score in `"full"`.
    """

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        found: Submission | None = resources["nbgrader"].get("scores")
        if found is None:
            return super().preprocess(nb, resources)
        for cell in nb.cells:
            data, name = cell.metadata.get("nbgrader", {}), notebooks.grade_id(cell) or ""
            if data.get("solution") or data.get("task"):
                data["comment"] = found.remarks.get(name)
            if data.get("grade") or data.get("task"):
                if name not in found.cells:
                    raise NbGraderException(f"the gradebook has no score of {name}; grade it again")
                own = found.cells[name]
                data["score"], data["points"], data["waiting"] = own.points, own.full, own.needs_grading
                data["left_empty"] = notebooks.by_hand(cell) and own.left_empty
        resources["nbgrader"]["score"] = found.raw - found.penalty
        resources["nbgrader"]["max_score"] = resources["nbgrader"]["full"]
        resources["nbgrader"]["late_penalty"] = found.penalty
        resources["nbgrader"]["waiting"] = len(found.waiting)
        return nb, resources


class HideTests(NbGraderPreprocessor):
    """Remove the hidden part from every test cell; the message of its failure stays."""

    def preprocess_cell(self, cell: NotebookNode, resources: dict, index: int) -> tuple[NotebookNode, dict]:
        if notebooks.kind(cell) == "test":
            lines, hidden = [], False
            for line in cell.source.split("\n"):
                if notebooks.BEGIN_HIDDEN in line:
                    hidden = True
                elif notebooks.END_HIDDEN in line:
                    hidden = False
                elif not hidden:
                    lines.append(line)
            cell.source = "\n".join(lines).rstrip("\n")
        return cell, resources


class HidePaths(NbGraderPreprocessor):
    """Remove this machine's paths from outputs: the course, Python with its packages, the home folder."""

    def preprocess_cell(self, cell: NotebookNode, resources: dict, index: int) -> tuple[NotebookNode, dict]:
        pattern = _places(str(Path.cwd()))
        for output in cell.get("outputs", []):
            for key in ("text", "evalue"):
                if isinstance(output.get(key), str):
                    output[key] = pattern.sub("...", output[key])
            if output.get("traceback"):
                output.traceback = [pattern.sub("...", str(line)) for line in output.traceback]
            for kind, text in (output.get("data") or {}).items():
                if kind.startswith("text/") and isinstance(text, str):
                    output.data[kind] = pattern.sub("...", text)
        return cell, resources


def without_paths(course: Course, text: str) -> str:
    """A text without the paths that `HidePaths` removes."""
    return _places(str(course.root)).sub("...", text)


@lru_cache(maxsize=8)
def _places(course: str) -> re.Pattern:
    known = {course, sys.prefix, sys.base_prefix, str(Path.home()), str(Path(grading.__file__).parents[1])}
    places = {str(place) for path in known for place in (Path(path), Path(path).resolve())} - {"/", "/usr"}
    return re.compile("|".join(rf"{re.escape(place)}(?![\w.-])" for place in sorted(places, key=len, reverse=True)))


class Summary(NbGraderPreprocessor):
    """Summarize the exercises at the top of the page: points, and one sentence on what went wrong.

    It reads the scores that nbgrader's `GetGrades` has put into the cells, so it comes after that.
    """

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        cells = notebooks.by_id(nb)
        rows = []
        for exercise, names in notebooks.graded_of(nb).items():
            tests = [cells[name] for name in names]
            if tests:
                score = sum(float(cell.metadata.nbgrader.get("score") or 0.0) for cell in tests)
                full = sum(notebooks.points(cell) for cell in tests)
                lost = next((cell for cell in tests if sentence(cell)), tests[0])
                waiting = any(cell.metadata.nbgrader.get("waiting") for cell in tests)
                if waiting:
                    said = "Changed since it was graded: to be graded again." if score else "Not graded yet."
                elif notebooks.kind(lost) != "test":
                    said = _by_a_person(lost)
                else:
                    said = sentence(lost) or ("All tests pass." if score == full else "")
                row = {"exercise": exercise, "test": notebooks.grade_id(lost), "said": said, "waiting": waiting}
                rows.append({**row, "score": score, "full": full})
        resources["nbgrader"]["summary"] = rows
        return nb, resources


def _by_a_person(cell: NotebookNode) -> str:
    data = cell.metadata.nbgrader
    if data.get("left_empty"):
        return "Not written yet."
    return "Graded by a person" + (": see the comment." if data.get("comment") else ".")


def sentence(cell: NotebookNode) -> str:
    """What a test cell's error says, in a sentence or two; nothing if it passed."""
    for output in cell.get("outputs", []):
        if output.output_type == "error":
            if "NotImplementedError" in output.ename + output.evalue:
                return "Not written yet."
            lines = output.evalue.strip().splitlines() or [output.ename]
            beginnings = ("A likely mistake: ", "It breaks this sentence of the contract: ")
            likely = [line for line in lines if line.startswith(beginnings)]
            return " ".join(likely) or lines[0]
    return ""


@dataclass(frozen=True)
class Overview:
    """The result of a submission as the top of its page shows it.

    Attributes:
        score: the points, minus the penalty for a late submission.
        waiting: how many answers a person has not graded yet.
        rows: one for each exercise, see `Summary`.
    """

    score: float
    full: float
    penalty: float
    waiting: int
    rows: list[dict[str, Any]]


@dataclass(frozen=True)
class _Page:
    """What a page is made of, beside the autograded notebook.

    Attributes:
        scores: what the gradebook has of the submission.
        full: the most that the assignment gives.
        digest: of all that decides how the page looks; it is kept in the page.
    """

    assignment: str
    student: str
    scores: Submission
    full: float
    digest: str


def feedback(
    course: Course,
    assignment: str,
    done: Callable[[str], None] = lambda student: None,
    students: list[str] | None = None,
    jobs: int | None = None,
    force: bool = False,
) -> list[Path]:
    """Write `feedback/<student>/<assignment>/<assignment>.html` for every autograded submission, or these students'.

    Unchanged pages are skipped. The page and the submission's record say what could not be shown.

    Args:
        done: called with the student as each page is finished.
        jobs: how many pages are written at the same time; by default the number of cores.
        force: write unchanged pages, too.

    Returns:
        The pages, by student.

    Raises:
        CourseError: nothing is autograded, or some pages could not be written; all of these are named.
    """
    course.source(assignment)
    folders = sorted(path.parent for path in (course.root / "autograded").glob(f"*/{assignment}/{assignment}.ipynb"))
    found = [folder.parent.name for folder in folders if students is None or folder.parent.name in students]
    if not found:
        raise CourseError(f"Nothing is autograded for '{assignment}'. Run: make grade ASSIGNMENT={assignment}")
    begin([__name__])
    errors, wanted = {}, []
    for student, page in _pages(course, assignment, found).items():
        if isinstance(page, str):
            errors[student] = page
        elif force or not _is_current(course, page):
            wanted.append(page)
            continue
        done(student)
    jobs = max(1, min(jobs or cores.usable(), len(wanted)))
    with BoundedPool(jobs, SECONDS, MEMORY) as processes:
        errors |= _make(course, wanted, processes, jobs, done)
    if errors:
        lines = [
            f"{course.root / 'autograded' / student / assignment}: {errors[student]}" for student in sorted(errors)
        ]
        raise CourseError("\n".join(["No feedback page could be written for:", *lines]))
    return [_path(course, assignment, student) for student in found]


def page(course: Course, assignment: str, student: str, processes: BoundedPool) -> str:
    """Write one page in a process with limits. Returns why that could not be done, or nothing.

    Args:
        processes: with `SECONDS` and `MEMORY` as limits.
    """
    wanted = _pages(course, assignment, [student])[student]
    if isinstance(wanted, str):
        return wanted
    return _make(course, [wanted], processes, 1).get(student, "")


def overview(course: Course, assignment: str, student: str, processes: BoundedPool) -> Overview:
    """What the top of a student's page says, made in a process with limits.

    Raises:
        CourseError: there are no scores, or the graded notebook cannot be read.
        LimitError: that takes too much.
    """
    wanted = _pages(course, assignment, [student])[student]
    if isinstance(wanted, str):
        raise CourseError(wanted)
    made: Overview = processes(_overview, str(course.root), wanted)
    return made


def _overview(root: str, page: _Page) -> Overview:
    notebook = notebooks.read(Path(root) / "autograded" / page.student / page.assignment / f"{page.assignment}.ipynb")
    resources: dict[str, Any] = {"nbgrader": {"scores": page.scores, "full": page.full}}
    for step in (Grades(), Summary()):
        notebook, resources = step.preprocess(notebook, resources)
    made = resources["nbgrader"]
    return Overview(made["score"], made["max_score"], made["late_penalty"], made["waiting"], made["summary"])


def _pages(course: Course, assignment: str, students: list[str]) -> dict[str, _Page | str]:
    """The content of each student's page, or a message why there is no page."""
    look = _look(course)
    with course.gradebook() as gradebook:
        full = scores.full_score(gradebook, assignment)
        found = scores.read(gradebook, assignment, students[0] if len(students) == 1 else None)
    pages: dict[str, _Page | str] = {}
    for student in students:
        if student not in found:
            pages[student] = f"the gradebook has no scores. Run: make grade ASSIGNMENT={assignment}"
            continue
        whole = hashlib.sha256(f"{look} {full} {found[student]}".encode("utf-8", "backslashreplace"))
        folder = course.root / "autograded" / student / assignment
        try:
            for path in _beside(course, folder):
                whole.update(f"{path.relative_to(folder)} {path.stat().st_size} {path.stat().st_mtime_ns}".encode())
            whole.update((folder / f"{assignment}.ipynb").read_bytes())
        except OSError as error:
            pages[student] = f"{error.filename}: {error.strerror}"
            continue
        pages[student] = _Page(assignment, student, found[student], full, whole.hexdigest())
    return pages


def _look(course: Course) -> str:
    """A digest of what all pages share: templates, settings, and the code that makes them."""
    whole = hashlib.sha256(f"{nbconvert.__version__} {pygments.__version__}".encode())
    inside = Path(grading.__file__).parent
    paths = [*(inside / "templates").rglob("*.j2"), *(inside / "report").glob("*.py"), inside / "course/notebooks.py"]
    for path in [course.root / "nbgrader_config.py", *sorted(paths)]:
        whole.update(path.read_bytes())
    return whole.hexdigest()


def _beside(course: Course, folder: Path) -> list[Path]:
    """The files beside an autograded notebook; a page may show them."""
    return [Path(path) for path in sorted(find_all_files(str(folder), [*course.coursedir.ignore, "*.ipynb"]))]


def _path(course: Course, assignment: str, student: str) -> Path:
    return course.root / "feedback" / student / assignment / f"{assignment}.html"


def _is_current(course: Course, page: _Page) -> bool:
    """Whether the page exists and was made from the same content."""
    try:
        with _path(course, page.assignment, page.student).open("rb") as file:
            return f'<meta name="made-from" content="{page.digest}">'.encode() in file.read(2000)
    except OSError:
        return False


def _make(
    course: Course,
    pages: list[_Page],
    processes: BoundedPool,
    jobs: int,
    done: Callable[[str], None] = lambda student: None,
) -> dict[str, str]:
    """Write pages in processes with limits. Returns, by student, why a page could not be written.

    A page that exceeds a limit is made again alone, after all others; if it took too long, with the whole notebook as
    plain text.
    """
    root, errors, again = str(course.root), {}, []
    with ThreadPoolExecutor(jobs) as threads:
        waiting = {threads.submit(processes, _write, root, page): page for page in pages}
        for future in as_completed(waiting):
            page = waiting[future]
            try:
                _note(course, page, future.result())
            except LimitError as error:
                again.append((page, error))
                continue
            except Exception as error:
                errors[page.student] = _reason(error)
            done(page.student)
        for page, limit in again:
            for plain in [True] if limit.is_time else [False, True]:
                try:
                    _note(course, page, processes(_write, root, page, plain))
                    errors.pop(page.student, None)
                    break
                except Exception as problem:
                    errors[page.student] = _reason(problem)
            done(page.student)
    return errors


def _note(course: Course, page: _Page, notes: list[str]) -> None:
    """Note in the record of a submission what its page does not show."""
    record = records.read_one(course, page.assignment, page.student)
    if record is not None and record.not_shown != notes:
        record.not_shown = notes
        record.save(course)


def _write(root: str, page: _Page, plain: bool = False) -> list[str]:
    """Write a page and the files beside it. Returns what it could not show, in plain words.

    Args:
        plain: show what the student wrote as plain text.
    """
    course = Course(Path(root))
    own = course.root / "autograded" / page.student / page.assignment
    notebook = notebooks.read(own / f"{page.assignment}.ipynb")
    nbgrader: dict[str, Any] = {"student": page.student, "assignment": page.assignment, "notebook": page.assignment}
    nbgrader |= {"scores": page.scores, "full": page.full, "plain": plain, "digest": page.digest}
    source = course.source(page.assignment)
    nbgrader["course_scripts"] = safe_html.course_scripts(source, source.stat().st_mtime_ns)
    resources: dict[str, Any] = {
        "unique_key": page.assignment,
        "nbgrader": nbgrader,
        "metadata": {"name": page.assignment},
    }
    exporter = _exporter(root, (course.root / "nbgrader_config.py").stat().st_mtime_ns)
    with course.entered():  # where `HidePaths` looks
        text, resources = exporter.from_notebook_node(notebook, resources)
    target = _path(course, page.assignment, page.student).parent
    draft = target.with_name(f".{page.assignment}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    for path in _beside(course, own):
        copy = draft / path.relative_to(own)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    (draft / f"{page.assignment}.html").write_text(text, encoding="utf-8", errors="backslashreplace")
    if target.exists():
        shutil.rmtree(target)
    draft.rename(target)
    GenerateFeedback(coursedir=course.coursedir, config=course.config).set_permissions(page.assignment, page.student)
    return resources["nbgrader"]["notes"]


@lru_cache(maxsize=1)
def _exporter(root: str, changed: int) -> TemplateExporter:
    """The exporter that the settings ask for; it keeps its templates from page to page."""
    course = Course(Path(root))
    converter = GenerateFeedback(coursedir=course.coursedir, config=course.config)
    exporter = converter.exporter_class(parent=converter, config=converter.config)
    for preprocessor in converter.preprocessors:
        exporter.register_preprocessor(preprocessor)
    return exporter


def _reason(error: Exception) -> str:
    words = str(error).strip().splitlines()
    return words[0] if words else type(error).__name__
