"""Collect what an LMS hands out: nbgrader's `zip_collect` plugins for Moodle, Canvas and plain folders.

    nbgrader zip_collect optimizers --extractor=grading.lms.collect.SafeExtractor \\
        --collector=grading.lms.collect.MoodleCollector

`make collect` does the same in one step, shares a group's submission, and never overwrites one without keeping it.
Every file is either collected or listed with the reason; who handed in is never guessed.
"""

import json
import re
import shutil
from collections import defaultdict
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from nbformat import NotebookNode
from nbgrader.apps import ZipCollectApp
from nbgrader.plugins import ExtractorPlugin, FileNameCollectorPlugin

from grading.authoring.release import quiet_logger
from grading.course import class_list, notebooks, times
from grading.course.class_list import Student, plain
from grading.course.folder import Course, CourseError
from grading.course.safe_text import printed
from grading.intake import archive, notebook_file
from grading.intake.restore import is_untouched, restored
from grading.intake.submission import NOTEBOOK
from grading.lms.worksheet import Row, Worksheet, file_name
from grading.lms.worksheet import read as read_worksheet

MOODLE = re.compile(
    r"(?P<name>[^_/]+)(?:_(?P<number>\d+))?_assignsubmission_(?P<kind>[a-z]+?)(?:_[/_]?|/)(?P<file>[^/].*)"
)
CANVAS = re.compile(r"(?P<name>[^_/]+)_(?P<late>LATE_)?(?P<user>\d+)_(?P<number>\d+)_(?P<file>.+)")
SAFE_ID = re.compile(r"\w[\w.@+ -]*(?<! )")  # an id becomes a folder's name, and nbgrader writes it into pages as it is
FEW = 3  # of fewer submissions nothing follows from equal times
COPY = re.compile(r"(?:-(?P<again>\d+)| ?\((?P<copy>\d+)\))$")  # Canvas's "-1" of a resubmission; a browser's " (1)"


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
        refused: students of whom there are files and none of them counts.
        same_time: the time that all or most files have, in UTC, so that it is that of the download; else None.
    """

    chosen: dict[str, File] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    same_time: datetime | None = None
    refused: list[str] = field(default_factory=list)


class SafeExtractor(ExtractorPlugin):
    """nbgrader's extractor without its trust in archives; what it leaves out stands in `left_out`."""

    def extract(self, archive_path: str, extracted_path: str) -> None:
        self.left_out: dict[str, str] = {}
        self.outer: dict[str, str] = {}
        for path in sorted(Path(archive_path).iterdir()):
            target = Path(extracted_path) / path.name if path.is_dir() else Path(extracted_path)
            prefix = f"{path.name}/" if path.is_dir() else ""
            outer: dict[str, str] = {}
            self.left_out |= archive.unpack(path, target, zone=self.zone(), outer=outer)
            self.outer |= {prefix + folder: prefix + name for folder, name in outer.items()}
        for name, why in self.left_out.items():
            self.log.warning("%s: %s", printed(name), printed(why))

    def zone(self) -> ZoneInfo:
        """The zone of the clock that wrote the archive: the course's."""
        return times.zone_of(Course(Path(self.config.CourseDirectory.get("root", ".")).resolve()))


class _Collector(FileNameCollectorPlugin):
    """Looks at a whole download at once, for which file of a student counts cannot be told from one file alone.

    Attributes:
        worksheet: Moodle's grading worksheet, if there is one.
    """

    worksheet: Worksheet | None = None

    def recognise(self, name: str, path: Path, students: dict[str, Student]) -> File:
        """Whose file it is.

        Raises:
            NotMatched: it is nobody's, or it is not clear whose.
        """
        raise NotImplementedError

    def collect(self, submitted_file: str) -> dict | None:
        """What nbgrader asks of a collector: whose this file is, or None if it does not count."""
        plan, path = self.plan(), Path(submitted_file)
        for student, file in plan.chosen.items():
            if file.path == path:
                assignment = self.parent.coursedir.assignment_id
                # As text nbgrader would write it to timestamp.txt without its zone.
                timestamp = {"timestamp": file.timestamp} if file.timestamp else {}
                return {"student_id": student, "file_id": assignment, **timestamp}
        self.log.warning("%s: %s", path.name, next((why for n, why in plan.left.items() if str(path).endswith(n)), ""))
        return None

    def plan(self) -> Plan:
        """What becomes of each file in nbgrader's `extracted` folder; looked at once."""
        if not hasattr(self, "_plan"):
            app = self.parent
            root = Path(app.coursedir.root).resolve()
            course = Course(root)
            folder = Path(app._format_collect_path(app.extracted_directory))
            outer = getattr(app.extractor_plugin_inst, "outer", {})
            self._plan = plan(folder, course, app.coursedir.assignment_id, self.recognise, outer)
        return self._plan


class MoodleCollector(_Collector):
    """`Ada Lovelace_12345_assignsubmission_file/optimizers.ipynb` since Moodle 4.1, before with `file_`, or no folders.

    Moodle's number changes with each assignment, so without a grading worksheet students are found by their full name,
    and a group by its name. The time in the archive is that of the server's clock, without a zone: it is taken as the
    course's, `c.LatePolicy.timezone`.
    """

    def recognise(self, name: str, path: Path, students: dict[str, Student]) -> File:
        match = MOODLE.fullmatch(name)
        if not match:
            raise NotMatched("its name is not one of Moodle's downloads")
        modified = path.stat().st_mtime
        timestamp = datetime.fromtimestamp(modified, UTC) if modified > 0 else None
        student, remarks = "", []
        if self.worksheet:
            row, student = self._row(match["name"], match["number"], students)
            timestamp = row.submitted.replace(tzinfo=UTC) if row.submitted else None
            remarks = [row.remark] if row.remark else []
            if row.submitted is None:
                remarks.append(f'the worksheet has no time for it; its status is "{row.status}"')
        else:
            student = self._member(match["name"], students) or _by_name(match["name"], students)
        text = match["kind"] != "file"
        file = File(path, name, student, match["file"], (modified,), timestamp, text=text, remarks=remarks)
        if self.worksheet:
            file.exact, file.group = True, row.group
        return file

    def _row(self, name: str, number: str | None, students: dict[str, Student]) -> tuple[Row, str]:
        """The line of the worksheet that an entry belongs to, and the id; of a group, its first member's."""
        if not hasattr(self, "_ids"):
            self._ids = self.worksheet.ids(students)
        ids = self._ids
        groups = self.worksheet.groups()
        if groups:
            # A group that a file's name cannot spell is found by what is left of its name.
            members = [row for group, rows in groups.items() if file_name(group) == file_name(name) for row in rows]
            if not members:
                raise NotMatched(f"no line of the worksheet is of a group {name}")
            first = min(members, key=lambda row: ids[row.number])
            return first, ids[first.number]
        row = self.worksheet.rows.get(number or "")
        if row is None:
            raise NotMatched(f"the worksheet has no participant {number}: is it that of another assignment?")
        anonymous = file_name(row.fields[0]).startswith(file_name(name)) or plain(name) == "participant"
        if row.name and not anonymous and not file_name(name).endswith(file_name(row.name)):
            raise NotMatched(f"participant {number} is {row.name} in the worksheet: is it that of another assignment?")
        return row, ids[row.number]

    def _member(self, name: str, students: dict[str, Student]) -> str | None:
        """The first member of the group of that name."""
        groups = class_list.groups(students, self.parent.coursedir.assignment_id)
        members = [id for group, ids in groups.items() if file_name(group) == file_name(name) for id in ids]
        return min(members, default=None)


class CanvasCollector(_Collector):
    """`lovelaceada_LATE_12345_678901_optimizers-1.ipynb`: students are found by Canvas's number of the user.

    Canvas numbers resubmissions and marks late ones, but its archive does not say when they came.
    """

    def recognise(self, name: str, path: Path, students: dict[str, Student]) -> File:
        match = CANVAS.fullmatch(name)
        if not match:
            raise NotMatched("its name is not one of Canvas's downloads")
        numbered = [student.id for student in students.values() if student.lms_id == match["user"]]
        remarks = []
        if len(numbered) == 1:
            student = numbered[0]
        elif numbered:
            raise NotMatched(f"the lms_id {match['user']} stands with {' and '.join(numbered)} in students.csv")
        else:
            student = _by_short_name(match["name"], match["user"], students)
            remarks.append(f"matched by name; {student} has no lms_id in students.csv, Canvas's is {match['user']}")
        again = COPY.search(Path(match["file"]).stem)
        version = (int((again and again["again"]) or 0), int(match["number"]))
        return File(path, name, student, match["file"], version, late=bool(match["late"]), remarks=remarks)


class FolderCollector(_Collector):
    """`ada/optimizers.ipynb`, `ada.ipynb`, `ada_optimizers.ipynb` or `optimizers_ada.ipynb`, by nbgrader's ids."""

    def recognise(self, name: str, path: Path, students: dict[str, Student]) -> File:
        *folders, file = name.split("/")
        stem, assignment = Path(file).stem, self.parent.coursedir.assignment_id
        folders = [folder for folder in folders if folder != assignment]
        words = {stem, stem.removesuffix(f"_{assignment}"), stem.removeprefix(f"{assignment}_")}
        if students:
            ids = sorted({word for word in [*folders, *words] if word in students})
            if len(ids) > 1:
                raise NotMatched(f"its path names {' and '.join(ids)}")
            if not ids:
                raise NotMatched("its path names no id of students.csv")
            student = ids[0]
        elif folders:
            student = folders[-1]
        elif stem == assignment:
            raise NotMatched("it does not say whose it is: put it into a folder with the student's id")
        else:
            student = min(words, key=len)
        # A file that is named after its student has a right name.
        return File(path, name, student, f"{assignment}.ipynb" if student in words else file)


COLLECTORS = {"moodle": MoodleCollector, "canvas": CanvasCollector, "folder": FolderCollector}


def _by_name(name: str, students: dict[str, Student]) -> str:
    """The one student whose full name this is; Moodle puts the name of a group before it."""
    if plain(name) == "participant":
        raise NotMatched("the download is anonymous: give Moodle's grading worksheet, too (WORKSHEET=<file>)")
    spelled = defaultdict(set)
    for student in students.values():
        if student.name:
            first, last = student.first_name, student.last_name
            for words in (f"{first} {last}", f"{last} {first}", f"{last}, {first}"):
                spelled[file_name(words)].add(student.id)
    tails = [name, *(name[i + 1 :] for i, char in enumerate(name) if char == "-")]
    for tail in tails:
        found = sorted(spelled.get(file_name(tail), ()))
        if len(found) == 1:
            return found[0]
        if found:
            raise NotMatched(f"{' and '.join(found)} of students.csv are both called {tail}")
    raise NotMatched(f"nobody in students.csv is called {name}")


def _by_short_name(name: str, number: str, students: dict[str, Student]) -> str:
    """The one student without an lms_id whose names, run together, are these."""
    found = [
        student.id
        for student in students.values()
        if not student.lms_id
        and student.name
        and name in (_run_together(student.last_name + student.first_name), _run_together(student.name))
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise NotMatched(f"{' and '.join(found)} of students.csv would both be {name}; give them their lms_id")
    raise NotMatched(f"nobody in students.csv has the lms_id {number}, or is called {name}")


def _run_together(name: str) -> str:
    return re.sub(r"\W|_", "", plain(name))


def plan(
    folder: Path,
    course: Course,
    assignment: str,
    recognise: Callable[..., File],
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
    others: set[str] = set()  # who handed in something that is no notebook
    wrapper = _wrapper([path.relative_to(folder).as_posix() for path in paths])
    for path in paths:
        name = path.relative_to(folder).as_posix()
        entry = _outermost(name, outer or {}).removeprefix(wrapper)
        try:
            file = recognise(entry, path, students)
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
            others.add(file.student)
            continue
        if not NOTEBOOK.search(path.name):
            made.left[name] = f"is no notebook (handed in by {file.student})"
            others.add(file.student)
            continue
        found[file.student].append(file)
    made.same_time = _same_time([file for files in found.values() for file in files])
    for student, files in sorted(found.items()):
        _choose(student, files, assignment, released, made)
    made.refused = sorted({*others, *found} - set(made.chosen))
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


def _choose(student: str, files: list[File], assignment: str, released: NotebookNode, made: Plan) -> None:
    """Of a student's notebooks the one that counts: one with answers, the right name before any other, the last one."""
    named = [file for file in files if COPY.sub("", Path(file.file).stem) == assignment]
    candidates = named or [file for file in files if _has_its_cells(file.path, released)]
    if not candidates:
        for file in files:
            made.left[file.name] = (
                f"is not called {assignment}.ipynb and has none of its cells (handed in by {student})"
            )
        return
    empty = [file for file in candidates if len(files) > 1 and _is_empty(file.path, released)]
    if empty:
        written = [file for file in files if file not in empty and _has_its_cells(file.path, released)]
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


def _has_its_cells(path: Path, released: NotebookNode) -> bool:
    """Whether a notebook has a cell of the released one: by its name, by its id, or by the text of a locked one."""
    names = set(notebooks.by_id(released))
    ids = {cell.id for cell in released.cells if "id" in cell}
    texts = {cell.source.strip() for cell in released.cells if notebooks.kind(cell) in ("given", "test")}
    try:
        cells = notebook_file.read(path)[0].cells
    except notebooks.NotebookError:
        return False
    known = ({notebooks.grade_id(cell) for cell in cells} & names, {cell.get("id") for cell in cells} & ids)
    return any(known) or any((cell.source or "").strip() in texts for cell in cells)


def _is_empty(path: Path, released: NotebookNode) -> bool:
    """Whether a notebook can be read and nothing was written into its gaps."""
    try:
        notebook = notebook_file.read(path)[0]
    except notebooks.NotebookError:
        return False
    notebook.cells, _ = restored(notebook.cells, released.cells)
    return is_untouched(notebook, released)


@dataclass
class Collected:
    """What `collect` did.

    Attributes:
        new, replaced, unchanged: students.
        shared: by student, the member of the group whose submission it is.
        left: every file that was not collected, and why.
        remarks: by student, what is worth knowing: late, renamed, matched by name.
        missing: students of `students.csv` of whom nothing was handed in.
        refused: students of whom there are files, and none of them could be taken.
        warning: what is wrong about the download as a whole; empty if nothing is.
    """

    new: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    shared: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    remarks: dict[str, list[str]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    warning: str = ""


def collect(
    course: Course, assignment: str, source: Path, lms: str | None = None, worksheet: Path | None = None
) -> Collected:
    """Put a download into `submitted/`, by way of nbgrader's `zip_collect`.

    The download is kept in `downloaded/<assignment>/`; a submission that is replaced, in `.../replaced/`.

    Args:
        source: an LMS's archive, or a folder or a zip file of notebooks.
        lms: "moodle", "canvas" or "folder"; by default told from the names in the download.
        worksheet: Moodle's grading worksheet, which says who is who and when. Without a class list one is made from it.

    Raises:
        CourseError: there is no such download, nothing in it has a name that is known, or there is no class list.
    """
    course.source(assignment)
    if not source.exists():
        raise CourseError(f"{source}: there is no such file or folder")
    sheet = read_worksheet(worksheet, times.zone_of(course)) if worksheet else None
    downloaded = course.root / "downloaded" / assignment
    shutil.rmtree(downloaded / "archive", ignore_errors=True)
    (downloaded / "archive").mkdir(parents=True)
    if source.is_dir():
        unsafe = archive.unpack(source, downloaded / "archive", depth=0)
    else:
        shutil.copy2(source, downloaded / "archive" / source.name)
        unsafe = {}
    app = _app(course, assignment)
    app.extract_archive_files()
    extracted = downloaded / "extracted"
    unsafe |= app.extractor_plugin_inst.left_out
    lms = lms or _lms_of(extracted, source)
    if sheet and lms != "moodle":
        raise CourseError(f"{worksheet}: a grading worksheet is Moodle's, and {source} is no download of Moodle's")
    if sheet:
        if not (course.root / "students.csv").is_file() and not sheet.anonymous:
            class_list.write(course, sheet.students())
        shutil.copy2(worksheet, downloaded / "worksheet.csv")
    elif lms != "folder" and not (course.root / "students.csv").is_file():
        raise CourseError(
            f"{source}: to know whose file is whose, students.csv is needed: a line for each student with "
            + ("id,first_name,last_name, or Moodle's grading worksheet" if lms == "moodle" else "id,lms_id")
            + ". See docs/running-a-class.md."
        )
    collector = app.collector_plugin_inst = COLLECTORS[lms](parent=app)
    collector.log, collector.worksheet = app.log, sheet
    made = collector.plan()
    done = Collected(left={**unsafe, **made.left})
    if made.same_time:
        zone = times.zone_of(course)
        done.warning = (
            f"Most files have the time {times.shown(made.same_time.replace(tzinfo=None), zone)}: that is when they "
            "were downloaded. No time is noted for them, so no penalty. Remedy: write when each was handed in to "
            f"submitted/<student>/{assignment}/timestamp.txt, as Moodle shows it, then run make grade."
        )
    names = download_names(course, assignment) | {student: file.name for student, file in made.chosen.items()}
    (downloaded / "names.json").write_text(json.dumps(names, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    teams = {file.group for file in made.chosen.values() if file.group}
    _set_aside(course, assignment, made, downloaded / "replaced", done)
    app._transfer_files(app._collect_files([str(file.path) for _, file in sorted(made.chosen.items())]))
    students = class_list.read(course)
    everybody, groups = set(students), class_list.groups(students, assignment)
    if sheet:
        ids = sheet.ids(students)
        everybody = set(ids.values())
        if sheet.groups():
            groups = {team: sorted(ids[row.number] for row in sheet.groups()[team]) for team in teams}
    _share(course, assignment, groups, done)
    here = {path.parent.name for path in (course.root / "submitted").glob(f"*/{assignment}")}
    done.refused = sorted(set(made.refused) - here)
    done.missing = sorted(everybody - here - set(done.refused))
    return done


def download_names(course: Course, assignment: str) -> dict[str, str]:
    """What the LMS called each student's notebook; empty if nothing has been collected."""
    path = course.root / "downloaded" / assignment / "names.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _app(course: Course, assignment: str) -> ZipCollectApp:
    """nbgrader's own command, without its printing and without a process of its own."""
    config = deepcopy(course.config)
    config.ZipCollectApp.extractor_plugin = SafeExtractor
    config.ZipCollectApp.collector_plugin = FolderCollector
    config.ZipCollectApp.force = True
    coursedir = course.coursedir
    coursedir.assignment_id = assignment
    app = ZipCollectApp(config=config, coursedir=coursedir)
    app.log = quiet_logger("collect", [])
    app.init_plugins()
    return app


def _lms_of(extracted: Path, source: Path) -> str:
    """Told from the names; a download in which some are Moodle's and some Canvas's is nobody's."""
    names = [path.relative_to(extracted).as_posix() for path in extracted.rglob("*") if path.is_file()]
    if not names:
        raise CourseError(f"{source}: holds no file that can be collected")
    counts = {
        "moodle": sum(MOODLE.fullmatch(name) is not None for name in names),
        "canvas": sum(CANVAS.fullmatch(name) is not None for name in names),
    }
    if all(counts.values()):
        raise CourseError(
            f"{source}: some of its names are Moodle's, some Canvas's. Say which: LMS=moodle or LMS=canvas"
        )
    return next((lms for lms, count in counts.items() if count), "folder")


def _set_aside(course: Course, assignment: str, made: Plan, kept: Path, done: Collected) -> None:
    """Leave unchanged submissions alone, and keep a copy of those that will be replaced."""
    for student, file in list(made.chosen.items()):
        remarks = list(file.remarks)
        if file.late:
            remarks.append(
                "the LMS says late, but not when. For a penalty, write the time it was handed in to "
                f"submitted/{student}/{assignment}/timestamp.txt"
            )
        if remarks:
            done.remarks[student] = remarks
        folder = course.root / "submitted" / student / assignment
        before = folder / f"{assignment}.ipynb"
        if before.is_file() and before.read_bytes() == file.path.read_bytes():
            done.unchanged.append(student)
            del made.chosen[student]
        elif folder.exists():
            stamp = datetime.now().strftime("%Y%m%d-%H%M%S-%f")
            shutil.copytree(folder, kept / f"{student}-{stamp}", symlinks=True)
            (folder / "timestamp.txt").unlink(missing_ok=True)  # it is that of the submission that is replaced
            done.replaced.append(student)
        else:
            done.new.append(student)


def _share(course: Course, assignment: str, groups: dict[str, list[str]], done: Collected) -> None:
    """Give a group's one submission to all of its members.

    Of several that differ the last one counts if the times of all are known; else each member keeps the own one.
    """
    notes = course.root / "downloaded" / assignment / "groups.json"
    shared = json.loads(notes.read_text(encoding="utf-8")) if notes.is_file() else {}
    shared = {s: of for s, of in shared.items() if s not in done.new + done.replaced}
    for group, members in groups.items():
        folders = {student: course.root / "submitted" / student / assignment for student in members}
        own = [s for s in members if s not in shared and (folders[s] / f"{assignment}.ipynb").is_file()]
        if not own:
            continue
        if len({(folders[s] / f"{assignment}.ipynb").read_bytes() for s in own}) > 1:
            when = {s: _noted(folders[s] / "timestamp.txt", times.zone_of(course)) for s in own}
            words = f"group {group}: {' and '.join(own)} handed in different notebooks"
            if None in when.values():
                for student in own:
                    done.remarks.setdefault(student, []).append(f"{words}; each keeps the own one")
                continue
            own = [max(own, key=when.__getitem__)]
            done.remarks.setdefault(own[0], []).append(f"{words}; {own[0]}'s was the last and counts for all")
        for student in members:
            if student not in own:
                shutil.rmtree(folders[student], ignore_errors=True)
                shutil.copytree(folders[own[0]], folders[student])
                shared[student] = done.shared[student] = own[0]
    notes.write_text(json.dumps(shared, indent=1) + "\n", encoding="utf-8")


def _noted(path: Path, zone: ZoneInfo) -> datetime | None:
    """The time in a `timestamp.txt`; None if there is none that can be read."""
    try:
        return times.parse(path.read_text(encoding="utf-8"), zone)
    except (OSError, ValueError):
        return None
