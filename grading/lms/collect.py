"""Collect what an LMS hands out: nbgrader's `zip_collect` plugins for Moodle, Canvas and plain folders.

    nbgrader zip_collect optimizers --extractor=grading.lms.collect.SafeExtractor \\
        --collector=grading.lms.collect.MoodleCollector

`make collect` shows what it would do before it does it, shares a group's submission, and can be undone.
Every file is either collected or listed with the reason; who handed in is never guessed.
"""

import json
import re
import shutil
from collections import defaultdict
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from nbgrader.apps import ZipCollectApp
from nbgrader.plugins import ExtractorPlugin, FileNameCollectorPlugin

from grading.authoring.release import quiet_logger
from grading.compat.nbgrader import collect_files, collection_folder
from grading.course import class_list, times
from grading.course.class_list import Student, plain
from grading.course.errors import CourseError
from grading.course.folder import Course
from grading.course.safe_text import printed
from grading.gradebook import handed_in
from grading.intake import archive
from grading.lms import undo
from grading.lms.canvas import Submitted
from grading.lms.canvas_download import Download
from grading.lms.plan import ANONYMOUS, CANVAS, COPY, MOODLE, File, NotMatched, Plan, canvas_group, plan
from grading.lms.worksheet import Row, Worksheet, file_name
from grading.lms.worksheet import read as read_worksheet


class SafeExtractor(ExtractorPlugin):
    """nbgrader's extractor for untrusted archives. `left_out` has the files that it skips, with reasons."""

    def extract(self, archive_path: str, extracted_path: str) -> None:
        self.left_out: dict[str, str] = {}
        self.outer: dict[str, str] = {}
        budget = archive.Budget(archive.LARGEST_ALL, archive.MOST_FILES)
        for path in sorted(Path(archive_path).iterdir()):
            target = Path(extracted_path) / path.name if path.is_dir() else Path(extracted_path)
            prefix = f"{path.name}/" if path.is_dir() else ""
            outer: dict[str, str] = {}
            handed_in = bool(MOODLE.fullmatch(path.name) or CANVAS.fullmatch(path.name))
            self.left_out |= archive.unpack(path, target, 1, self.zone(), outer, handed_in, budget)
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

    def recognize(self, name: str, path: Path, students: dict[str, Student]) -> File:
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
            folder = collection_folder(app, app.extracted_directory)
            outer = getattr(app.extractor_plugin_inst, "outer", {})
            self._plan = plan(folder, course, app.coursedir.assignment_id, self.recognize, outer)
        return self._plan


class MoodleCollector(_Collector):
    """`Ada Lovelace_12345_assignsubmission_file/optimizers.ipynb` since Moodle 4.1, before with `file_`, or no folders.

    Moodle's number changes with each assignment, so without a grading worksheet students are found by their full name,
    and a group by its name. The time in the archive is that of the server's clock, without a zone: it is taken as the
    course's, `c.LatePolicy.timezone`.
    """

    def recognize(self, name: str, path: Path, students: dict[str, Student]) -> File:
        match = MOODLE.fullmatch(name)
        if not match:
            raise NotMatched("its name is not one of Moodle's downloads")
        modified = path.stat().st_mtime
        timestamp = datetime.fromtimestamp(modified, UTC) if modified > 0 else None
        remarks: list[str] = []
        group = ""
        if self.worksheet:
            row, student = self._row(self.worksheet, match["name"], match["number"], students)
            group = row.group
            timestamp = row.submitted.replace(tzinfo=UTC) if row.submitted else None
            remarks = [row.remark] if row.remark else []
            if row.submitted is None:
                remarks.append(f'the worksheet has no time for it; its status is "{row.status}"')
        else:
            student = self._member(match["name"], students) or _by_name(match["name"], students)
        text, exact = match["kind"] != "file", self.worksheet is not None
        version = (modified,)
        return File(path, name, student, match["file"], version, timestamp, False, text, exact, group, remarks)

    def _row(self, sheet: Worksheet, name: str, number: str | None, students: dict[str, Student]) -> tuple[Row, str]:
        """The line of the worksheet that an entry belongs to, and the id; of a group, its first member's."""
        if not hasattr(self, "_ids"):
            self._ids = sheet.ids(students)
        ids = self._ids
        groups = sheet.groups()
        if groups:
            # A group that a file's name cannot spell is found by what is left of its name.
            members = [row for group, rows in groups.items() if file_name(group) == file_name(name) for row in rows]
            if not members:
                raise NotMatched(f"no line of the worksheet is of a group {name}")
            first = min(members, key=lambda row: ids[row.number])
            return first, ids[first.number]
        row = sheet.rows.get(number or "")
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

    Canvas numbers resubmissions and marks late ones, but its archive does not say when they came; its API does. An
    anonymous one, `anon_acJ4Q_678901_optimizers.ipynb`, is found by the `anonymous_id` in the class list. If that has
    none for this assignment, all are collected as `anon-<Canvas's id>`.

    Attributes:
        download: what was fetched through the API; None for an archive.
    """

    download: Download | None = None

    def recognize(self, name: str, path: Path, students: dict[str, Student]) -> File:
        match = CANVAS.fullmatch(self._without_group(name, students))
        if not match:
            raise NotMatched("its name is not one of Canvas's downloads")
        again = COPY.search(Path(match["file"] or "").stem)
        version = (int((again and again["again"]) or 0), int(match["number"] or 0))
        file = File(path, name, "", match["file"] or name, version, text=bool(match["typed"]))
        one = self._submitted(match)
        if one:
            file.timestamp, file.exact, file.group = (
                one.submitted and one.submitted.replace(tzinfo=UTC),
                True,
                one.group,
            )
            file.remarks += [f"attempt {one.attempt}"] if one.attempt > 1 else []
        else:
            file.late = "LATE_" in match.string[: match.start("number")] and not match["typed"]
        if match["anonymous"]:
            file.student = self._hidden(match["anonymous"], students)
        elif one:
            if one.user not in self._ids:
                raise NotMatched(f"nobody in students.csv is Canvas's {one.label}")
            file.student = self._ids[one.user]
        else:
            file.student = self._numbered(match["name"], match["user"], students, file.remarks)
        return file

    def _without_group(self, name: str, students: dict[str, Student]) -> str:
        """An entry without the numbers that a group's name has: `team_1_101_5001_x.ipynb` is that of user 101."""
        for group in class_list.groups(students, self.parent.coursedir.assignment_id):
            start = canvas_group(group)
            if name.startswith(start):
                return f"{_run_together(group)}_{name.removeprefix(start)}"
        return name

    def _submitted(self, match: re.Match[str]) -> Submitted | None:
        """What the API says of an entry."""
        if not self.download:
            return None
        if not hasattr(self, "_known"):
            place = self.download.place
            self._known = {one.user or one.anonymous: one for one in place.submissions}
            self._ids = place.ids(class_list.read(Course(Path(self.parent.coursedir.root).resolve())))
        return self._known.get(match["user"] or match["anonymous"])

    def _hidden(self, anonymous: str, students: dict[str, Student]) -> str:
        """The id of the student whom Canvas hides behind an anonymous id."""
        assignment = self.parent.coursedir.assignment_id
        known = {student.anonymous_id(assignment): student.id for student in students.values()}
        known.pop("", None)
        if known and anonymous not in known:
            raise NotMatched(f"nobody in students.csv has the anonymous_id {anonymous} in {assignment}")
        return known.get(anonymous, f"{ANONYMOUS}{anonymous}")

    def _numbered(self, name: str, number: str, students: dict[str, Student], remarks: list[str]) -> str:
        """The id of the student with that `lms_id`, else of the one with that name, else of the group of that name."""
        numbered = [student.id for student in students.values() if student.lms_id == number]
        if len(numbered) == 1:
            return numbered[0]
        if numbered:
            raise NotMatched(f"the lms_id {number} belongs to {' and '.join(numbered)} in students.csv")
        groups = class_list.groups(students, self.parent.coursedir.assignment_id)
        members = [id for group, ids in groups.items() if _run_together(group) == _run_together(name) for id in ids]
        if members:
            return min(members)
        student = _by_short_name(name, number, students)
        remarks.append(f"matched by name; {student} has no lms_id in students.csv, Canvas's is {number}")
        return student


class FolderCollector(_Collector):
    """`ada/optimizers.ipynb`, `ada.ipynb`, `ada_optimizers.ipynb` or `optimizers_ada.ipynb`, by nbgrader's ids."""

    def recognize(self, name: str, path: Path, students: dict[str, Student]) -> File:
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


@dataclass
class Prepared:
    """What `collect` would do; nothing in `submitted/` is changed yet.

    Attributes:
        new, replaced, unchanged: students.
        sharing: students who would get the submission of another member of their group.
        other: by student, the assignment whose notebook was handed in instead.
        refused: students of whom there are files and none of them could be taken, and why.
        left: every file that would not be collected, and why.
        groups: the members of each group in this assignment.
        everybody: who could have handed in.
    """

    course: Course
    assignment: str
    app: ZipCollectApp
    plan: Plan
    worksheet: Worksheet | None
    download: Download | None = None
    new: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    sharing: list[str] = field(default_factory=list)
    other: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    everybody: set[str] = field(default_factory=set)


@dataclass
class Collected:
    """What `collect` did.

    Attributes:
        new, replaced, unchanged: students.
        shared: by student, the member of the group whose submission it is.
        left: every file that was not collected, and why.
        remarks: by student, what is worth knowing: late, renamed, matched by name.
        missing: students of `students.csv` of whom nothing was handed in.
        refused: students of whom there are files and none of them could be taken, and why.
        other: by student, the assignment whose notebook was handed in instead.
        warning: what is wrong about the download as a whole; empty if nothing is.
    """

    new: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    shared: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    remarks: dict[str, list[str]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    other: dict[str, str] = field(default_factory=dict)
    warning: str = ""


def collect(
    course: Course, assignment: str, source: Path, lms: str | None = None, worksheet: Path | None = None
) -> Collected:
    """Put a download into `submitted/` without asking: `prepare`, then `accept`."""
    return accept(prepare(course, assignment, source, lms, worksheet))


def prepare(
    course: Course,
    assignment: str,
    source: Path,
    lms: str | None = None,
    worksheet: Path | None = None,
    download: Download | None = None,
) -> Prepared:
    """Unpack a download into `downloaded/<assignment>/`, and see what would become of it.

    Args:
        source: an LMS's archive, or a folder or a zip file of notebooks.
        lms: "moodle", "canvas" or "folder"; by default told from the names in the download.
        worksheet: Moodle's grading worksheet, which says who is who and when. Without a class list one is made from it.
        download: says the same of what was fetched through Canvas's API.

    Raises:
        CourseError: there is no such download, nothing in it has a name that is known, or there is no class list.
    """
    course.source(assignment)
    if not source.exists():
        raise CourseError(f"{source}: no such file or folder")
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
    if lms != "folder" and not sheet and not download and not (course.root / "students.csv").is_file():
        raise CourseError(
            f"{source}: to know whose file is whose, students.csv is needed: a line for each student with "
            + ("id,first_name,last_name, or Moodle's grading worksheet" if lms == "moodle" else "id,lms_id")
            + ". See docs/running-a-class.md."
        )
    collector = app.collector_plugin_inst = COLLECTORS[lms](parent=app)
    collector.log, collector.worksheet, collector.download = app.log, sheet, download
    made = collector.plan()
    prepared = Prepared(course, assignment, app, made, sheet, download, other=made.other)
    # A damaged zip file is in both: whose it is, and what is wrong with it.
    prepared.left = unsafe | {
        name: why.replace("is no notebook", unsafe.get(name, "is no notebook"), 1) for name, why in made.left.items()
    }
    prepared.refused = {student: f"{name}: {prepared.left[name]}" for student, name in made.refused.items()}
    students = class_list.read(course)
    prepared.everybody, prepared.groups = set(students), class_list.groups(students, assignment)
    teams = prepared.groups
    if any(student.startswith(ANONYMOUS) for student in made.chosen):
        prepared.everybody = set()  # who of the class list they are is hidden
    if sheet:
        ids = sheet.ids(students)
        prepared.everybody = set(ids.values())
        if sheet.groups():
            teams = {team: sorted(ids[row.number] for row in rows) for team, rows in sheet.groups().items()}
            prepared.groups = {file.group: teams[file.group] for file in made.chosen.values() if file.group}
    if download:
        ids = download.place.ids(students)
        prepared.everybody |= set(ids.values())
        prepared.left |= {one.label: why for one, why in download.left}
        prepared.refused |= {ids[one.user]: f"{one.label}: {why}" for one, why in download.left if one.user in ids}
        groups = download.place.groups()
        if groups:
            prepared.groups = teams = {
                group: sorted(ids[one.user] for one in members if one.user in ids) for group, members in groups.items()
            }
    for members in prepared.groups.values():
        if made.chosen.keys() & set(members):
            prepared.sharing += [student for student in members if student not in made.chosen]
    for members in teams.values():
        reason = next((prepared.refused[student] for student in members if student in prepared.refused), "")
        if reason and not made.chosen.keys() & set(members):
            prepared.refused |= {s: reason for s in members if s not in prepared.refused and s not in made.other}
    for student, file in sorted(made.chosen.items()):
        folder = course.root / "submitted" / student / assignment
        before = folder / f"{assignment}.ipynb"
        if before.is_file() and before.read_bytes() == file.path.read_bytes():
            prepared.unchanged.append(student)
        elif folder.exists():
            prepared.replaced.append(student)
        else:
            prepared.new.append(student)
    return prepared


def accept(prepared: Prepared) -> Collected:
    """Put what was prepared into `submitted/`, by way of nbgrader's `zip_collect`; `undo` brings the former state back.

    A submission that is replaced is kept in `downloaded/<assignment>/replaced/`, too.
    """
    course, assignment, made, sheet = prepared.course, prepared.assignment, prepared.plan, prepared.worksheet
    downloaded = course.root / "downloaded" / assignment
    undo.before(
        course, assignment, sorted({*made.chosen, *(one for members in prepared.groups.values() for one in members)})
    )
    if sheet:
        if not (course.root / "students.csv").is_file() and not sheet.anonymous:
            class_list.write(course, sheet.students())
        if sheet.path.resolve() != (downloaded / "worksheet.csv").resolve():
            shutil.copy2(sheet.path, downloaded / "worksheet.csv")
    done = Collected(prepared.new, prepared.replaced, prepared.unchanged, left=prepared.left, other=prepared.other)
    if prepared.download and not (course.root / "students.csv").is_file():
        class_list.write(course, prepared.download.place.students())
    if made.same_time:
        zone = times.zone_of(course)
        done.warning = (
            f"Most files have the time {times.shown(made.same_time.replace(tzinfo=None), zone)}: that is when they "
            "were downloaded. No time is noted for them, so no penalty. Remedy: write when each was handed in to "
            f"submitted/<student>/{assignment}/timestamp.txt, as Moodle shows it, then run make grade."
        )
    names = download_names(course, assignment) | {student: file.name for student, file in made.chosen.items()}
    (downloaded / "names.json").write_text(json.dumps(names, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    _set_aside(course, assignment, made, downloaded / "replaced", done)
    collect_files(prepared.app, [file.path for _, file in sorted(made.chosen.items())])
    _share(course, assignment, prepared.groups, done)
    undo.after(course, assignment)
    here = {path.parent.name for path in (course.root / "submitted").glob(f"*/{assignment}")}
    done.refused = {student: why for student, why in sorted(prepared.refused.items()) if student not in here}
    done.missing = sorted(prepared.everybody - here - set(done.refused) - set(done.other))
    handed_in.note_refused(
        course,
        assignment,
        done.refused | {s: f"a notebook of {other}" for s, other in done.other.items() if s not in here},
    )
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
    """Recognize the LMS by the file names.

    Raises:
        CourseError: some are Moodle's and some are Canvas's.
    """
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
        if student in done.unchanged:
            del made.chosen[student]
        elif student in done.replaced:
            folder = course.root / "submitted" / student / assignment
            stamp = datetime.now().strftime("%Y%m%d-%H%M%S-%f")
            shutil.copytree(folder, kept / f"{student}-{stamp}", symlinks=True)
            (folder / "timestamp.txt").unlink(missing_ok=True)  # it is that of the submission that is replaced


def _share(course: Course, assignment: str, groups: dict[str, list[str]], done: Collected) -> None:
    """Give a group's one submission to all of its members.

    Of several that differ the last one counts if the times of all are known; otherwise each member keeps their own.
    """
    before = handed_in.copied_from(course, assignment)
    shared = {s: of for s, of in before.items() if s not in done.new + done.replaced}
    for group, members in groups.items():
        folders = {student: course.root / "submitted" / student / assignment for student in members}
        own = [s for s in members if s not in shared and (folders[s] / f"{assignment}.ipynb").is_file()]
        if not own:
            continue
        if len({(folders[s] / f"{assignment}.ipynb").read_bytes() for s in own}) > 1:
            noted = {s: _noted(folders[s] / "timestamp.txt", times.zone_of(course)) for s in own}
            when = {s: moment for s, moment in noted.items() if moment}
            words = f"group {group}: {' and '.join(own)} handed in different notebooks"
            if len(when) < len(own):
                for student in own:
                    done.remarks.setdefault(student, []).append(f"{words}; each keeps their own")
                continue
            own = [max(own, key=when.__getitem__)]
            done.remarks.setdefault(own[0], []).append(f"{words}; {own[0]}'s was the last and counts for all")
        shared |= dict.fromkeys(own[1:], own[0])  # Canvas gives each member the file of the group
        for student in members:
            if student not in own:
                shutil.rmtree(folders[student], ignore_errors=True)
                shutil.copytree(folders[own[0]], folders[student])
                shared[student] = done.shared[student] = own[0]
    handed_in.note_copied(course, assignment, shared)


def _noted(path: Path, zone: ZoneInfo) -> datetime | None:
    """The time in a `timestamp.txt`; None if there is none that can be read."""
    try:
        return times.parse(path.read_text(encoding="utf-8"), zone)
    except (OSError, ValueError):
        return None
