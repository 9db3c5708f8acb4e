"""What becomes of each file of a download: which notebook of a student counts, and why every other one does not."""

import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from nbformat import NotebookNode

from grading.course import class_list, notebooks
from grading.course.folder import Course
from grading.intake import notebook_file
from grading.intake.restore import is_untouched, restored
from grading.intake.submission import NOTEBOOK
from grading.lms.belongs import Marks, marks

MOODLE = re.compile(
    r"(?P<name>[^_/]+)(?:_(?P<number>\d+))?_assignsubmission_(?P<kind>[a-z]+?)(?:_[/_]?|/)(?P<file>[^/].*)"
)
# As Canvas's lib/content_zipper.rb makes them: lovelaceada_LATE_101_5001_x.ipynb, anon_acJ4Q_5001_x.ipynb, and
# lovelaceada_101_text.html for what was typed.
CANVAS = re.compile(
    r"(?:(?:LATE_)?anon_(?:LATE_)?(?P<anonymous>[0-9A-Za-z]+)|(?P<name>[^_/]+)_(?:LATE_)?(?P<user>\d+))"
    r"_(?:(?P<number>\d+)_(?P<file>.+)|(?P<typed>text|link)\.html)"
)
ANONYMOUS = "anon-"  # how ids begin that stand for Canvas's anonymous ones
SAFE_ID = re.compile(r"\w[\w.@+ -]*(?<! )")  # an id becomes a folder's name, and nbgrader writes it into pages as it is
FEW = 3  # of fewer submissions nothing follows from equal times
COPY = re.compile(r"(?:-(?P<again>\d+)| ?\((?P<copy>\d+)\))$")  # Canvas's "-1" of a resubmission; a browser's " (1)"


def canvas_group(name: str) -> str:
    """How Canvas begins the names of a group's files: `team_1_` for `Team_1`, `team1_` for `Team 1`."""
    return re.sub(r"\W", "", name).lower() + "_"


class NotMatched(Exception):
    """A file could not be matched; the message says why."""


@dataclass
class File:
    """A file of the download.

    Attributes:
        name: its path in the download.
        student: the id of who handed it in.
        file: the name that the student gave it.
        version: of several that are alike, the largest is the last.
        timestamp: when it was handed in, if the download says so.
        late: the LMS calls it late.
        text: it is no file of the student's, but what was typed into the LMS.
        exact: the time is not that of the file in the archive.
        group: the group that handed it in, as the LMS calls it.
    """

    path: Path
    name: str
    student: str
    file: str
    version: tuple = ()
    timestamp: datetime | None = None
    late: bool = False
    text: bool = False
    exact: bool = False
    group: str = ""
    remarks: list[str] = field(default_factory=list)


@dataclass
class Plan:
    """What becomes of a download.

    Attributes:
        chosen: the notebook that counts, by student.
        left: every other file, and why it was left.
        other: students who handed in a notebook of another assignment, and which.
        refused: students of whom there are files and none of them counts; the first of them.
        same_time: the time that all or most files have, in UTC, so that it is that of the download; else None.
    """

    chosen: dict[str, File] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    same_time: datetime | None = None
    refused: dict[str, str] = field(default_factory=dict)
    other: dict[str, str] = field(default_factory=dict)


def plan(
    folder: Path,
    course: Course,
    assignment: str,
    recognize: Callable[..., File],
    outer: dict[str, str] | None = None,
) -> Plan:
    """Decide for each file in a folder what becomes of it.

    Args:
        outer: for each folder that a student's archive was unpacked to, the name of that archive: whose work it is, the
            archive says, and no name within.
    """
    students, found, made = class_list.read(course), defaultdict(list), Plan()
    release = course.root / "release" / assignment / f"{assignment}.ipynb"
    released = notebooks.read(release if release.is_file() else course.source(assignment))
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    others: dict[str, str] = {}  # by student, something that is no notebook
    wrapper = _wrapper([path.relative_to(folder).as_posix() for path in paths])
    for path in paths:
        name = path.relative_to(folder).as_posix()
        entry = _outermost(name, outer or {}).removeprefix(wrapper)
        try:
            file = recognize(entry, path, students)
            if not SAFE_ID.fullmatch(file.student):
                raise NotMatched("its student's id has other characters than letters, digits and _.@+-; rename it")
        except NotMatched as reason:
            made.left[name] = str(reason)
            continue
        file.name = name
        if entry != name.removeprefix(wrapper):  # within a student's archive
            file.file = path.name
        if file.text:
            made.left[name] = f"is text that {file.student} typed into the LMS, no file: read it there"
            others.setdefault(file.student, name)
            continue
        if not NOTEBOOK.search(path.name):
            made.left[name] = f"is no notebook (handed in by {file.student})"
            others.setdefault(file.student, name)
            continue
        found[file.student].append(file)
    made.same_time = _same_time([file for files in found.values() for file in files])
    known = marks(course)
    for student, files in sorted(found.items()):
        _choose(student, _of_this(student, files, assignment, known, made), assignment, released, known, made)
    made.other = {student: other for student, other in made.other.items() if student not in made.chosen}
    some = others | {student: files[0].name for student, files in found.items()}
    made.refused = {s: some[s] for s in sorted(some.keys() - made.chosen.keys() - made.other.keys())}
    return made


def _wrapper(names: list[str]) -> str:
    """The one folder in which everything lies, as when a download was unpacked and packed again; else nothing."""
    tops = {name.partition("/")[0] for name in names}
    inside = {name.split("/")[1] for name in names if "/" in name}
    (top,) = tops if len(tops) == 1 else ("",)
    wraps = top and len(inside) > 1 and all("/" in name for name in names)
    known = wraps and any(MOODLE.match(name) or CANVAS.match(name) for name in (f"{one}/x" for one in inside))
    return f"{top}/" if known and not MOODLE.match(f"{top}/x") and not CANVAS.match(f"{top}/x") else ""


def _outermost(name: str, outer: dict[str, str]) -> str:
    """The entry of the download that a file came with."""
    return next((entry for folder, entry in outer.items() if name.startswith(f"{folder}/")), name)


def _same_time(files: list[File]) -> datetime | None:
    """A time that most files have, give or take half a minute: that of the download. No class hands in all at once.

    Those files then have no time. None if there is no such time.
    """
    first: dict[str, datetime] = {}
    for file in files:
        if file.timestamp and not file.exact:
            first[file.student] = max(file.timestamp, first.get(file.student, file.timestamp))
    moments = sorted(first.values())
    if len(moments) < FEW:
        return None
    middle = moments[len(moments) // 2]
    near = [time for time in moments if abs((time - middle).total_seconds()) <= 30]
    if len(near) <= len(moments) / 2:
        return None
    for file in files:
        if file.timestamp and not file.exact and abs((file.timestamp - middle).total_seconds()) <= 30:
            file.timestamp = None
    return middle


def _of_this(student: str, files: list[File], assignment: str, known: Marks, made: Plan) -> list[File]:
    """A student's files without those that are notebooks of another assignment, whatever they are called."""
    kept = []
    for file in files:
        other = known.assignment(file.path)
        if other in (None, assignment):
            kept.append(file)
        else:
            made.left[file.name] = f"is a notebook of {other}, not of {assignment} (handed in by {student})"
            made.other[student] = other
    return kept


def _choose(student: str, files: list[File], assignment: str, released: NotebookNode, known: Marks, made: Plan) -> None:
    """Of a student's notebooks the one that counts: one with answers, the right name before any other, the last one."""
    named = [file for file in files if COPY.sub("", Path(file.file).stem) == assignment]
    candidates = named or [file for file in files if known.assignment(file.path) == assignment]
    if not candidates:
        for file in files:
            made.left[file.name] = (
                f"is not called {assignment}.ipynb and has none of its own cells (handed in by {student})"
            )
        return
    empty = [file for file in candidates if len(files) > 1 and _is_empty(file.path, released)]
    if empty:
        written = [file for file in files if file not in empty and known.assignment(file.path) == assignment]
        candidates = [file for file in candidates if file not in empty] or written or candidates
    last = max(file.version for file in candidates)
    best = [file for file in candidates if file.version == last]
    if len(best) > 1 and len({file.path.read_bytes() for file in best}) > 1:
        names = ", ".join(file.file for file in best)
        for file in files:
            made.left[file.name] = f"{student} handed in {names}, and it is not clear which one counts"
        return
    chosen = made.chosen[student] = best[0]
    if chosen.path.suffix != ".ipynb":  # nbgrader would keep .IPYNB, or .txt
        chosen.path = chosen.path.rename(chosen.path.with_suffix(".ipynb"))
    if chosen not in named:
        chosen.remarks.append(f"was called {chosen.file}")
    for file in files:
        if file in empty and chosen not in empty:
            made.left[file.name] = f"all its gaps are empty, and {student} handed in {chosen.name} with answers"
        elif file is not chosen:
            made.left[file.name] = f"{student} handed in a later or better named one, {chosen.name}"


def _is_empty(path: Path, released: NotebookNode) -> bool:
    """Whether a notebook can be read and nothing was written into its gaps."""
    try:
        notebook = notebook_file.read(path)[0]
    except notebooks.NotebookError:
        return False
    notebook.cells, _ = restored(notebook.cells, released.cells)
    return is_untouched(notebook, released)
