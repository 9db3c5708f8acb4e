"""The class list `students.csv`: who is in the course, what the LMS calls them, groups and extensions.

Its columns, in any order; only `id` is needed:

    id           nbgrader's id, the name of the folder in submitted/
    first_name, last_name, email
    lms_id       the LMS's number of the user: Canvas's "ID", Moodle's "ID number"
    login        the LMS's login name: Canvas's "SIS Login ID", Moodle's "Username"
    section      Canvas's section
    group        students with the same word here hand in together: "team-1" in every assignment, or by assignment
                 "optimizers: team-1; training: team-4"
    anonymous_id  Canvas's id of an anonymous submission, by assignment: "optimizers: acJ4Q; training: b7XyZ"
    extensions   days more than the others have: "optimizers: 3; training: 7", or "2" for every assignment
"""

import csv
import re
import unicodedata
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from grading.course import safe_text
from grading.course.errors import CourseError
from grading.course.folder import Course

COLUMNS = (
    "id",
    "first_name",
    "last_name",
    "email",
    "lms_id",
    "login",
    "section",
    "group",
    "extensions",
    "anonymous_id",
)
BY_ASSIGNMENT = ("group", "anonymous_id")  # columns with a word for each assignment
EXTENSION = re.compile(r"(?:(?P<assignment>[^:;]+):)?\s*(?P<days>\d+(?:\.\d+)?)\s*(?:days?)?")


@dataclass(frozen=True)
class Student:
    """A row of the class list; see this module for the columns.

    Attributes:
        groups: by assignment; under "" for all others.
        extensions: by assignment; under "" for all others.
        anonymous_ids: by assignment.
    """

    id: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    lms_id: str = ""
    login: str = ""
    section: str = ""
    groups: dict[str, str] = field(default_factory=dict)
    extensions: dict[str, timedelta] = field(default_factory=dict)
    anonymous_ids: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()

    def group(self, assignment: str) -> str:
        """The group with which this student hands in an assignment; empty if it is alone."""
        return self.groups.get(assignment, self.groups.get("", ""))

    def anonymous_id(self, assignment: str) -> str:
        """What Canvas calls this student in an anonymous assignment; empty if that is not known."""
        return self.anonymous_ids.get(assignment, "")

    def extension(self, assignment: str) -> timedelta:
        """How much longer than the others this student has."""
        return self.extensions.get(assignment, self.extensions.get("", timedelta()))


def read(course: Course) -> dict[str, Student]:
    """The students of `students.csv` by id; empty if there is no such file.

    Raises:
        CourseError: lists every line that is wrong.
    """
    path = course.root / "students.csv"
    if not path.is_file():
        return {}
    header, rows = _rows(path)
    if "id" not in header:
        raise CourseError(f"{path}: has no column `id`. Its first line should be some of: {','.join(COLUMNS)}")
    faults = [f"{path}: there is no column `{name}`; known are {', '.join(COLUMNS)}" for name in header - {*COLUMNS}]
    students: dict[str, Student] = {}
    for line, row in rows:
        try:
            student = _student(row, course)
            if student.id in students:
                raise CourseError(f"the id {student.id} occurs twice")
            students[student.id] = student
        except CourseError as error:
            faults.append(f"{path}, line {line}: {error}")
    if faults:
        raise CourseError("\n".join(faults))
    return students


def _rows(path: Path) -> tuple[set[str], list[tuple[int, dict[str, str]]]]:
    """The names of the columns, and each line's number and values. Spreadsheets write commas, semicolons or tabs."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise CourseError(f"{path}: is not UTF-8. Save it again as CSV UTF-8.") from None
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.DictReader(text.splitlines(), delimiter=delimiter)
    header = {(name or "").strip() for name in reader.fieldnames or ()}
    rows = []
    for row in reader:
        values = {(k or "").strip(): (v or "").strip() for k, v in row.items() if not isinstance(v, list)}
        if any(values.values()):
            rows.append((reader.line_num, values))
    return header, rows


def _student(row: dict[str, str], course: Course) -> Student:
    name = row["id"]
    if not name or name.startswith(".") or re.search(r"[/\\\x00-\x1f]", name):
        raise CourseError(f"{name!r} cannot be an id: it names a folder")
    known = {key: row[key] for key in COLUMNS if key in row and key not in (*BY_ASSIGNMENT, "extensions")}
    extensions = {}
    for part in filter(None, (part.strip() for part in row.get("extensions", "").split(";"))):
        match = EXTENSION.fullmatch(part)
        assignment = ((match and match["assignment"]) or "").strip()
        if not match or (assignment and assignment not in course.assignments):
            raise CourseError(f'the extension "{part}" should read "<assignment>: <days>", such as "optimizers: 3"')
        extensions[assignment] = timedelta(days=float(match["days"]))
    groups, anonymous = (_by_assignment(row.get(column, ""), column, course) for column in BY_ASSIGNMENT)
    return Student(**known, groups=groups, extensions=extensions, anonymous_ids=anonymous)


def _by_assignment(text: str, column: str, course: Course) -> dict[str, str]:
    """The words in a field, by assignment; under "" the one for all others."""
    found = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        assignment, colon, word = (word.strip() for word in part.rpartition(":"))
        if assignment not in course.assignments if colon else column == "anonymous_id":
            example = "team-1" if column == "group" else "acJ4Q"
            raise CourseError(
                f'the {column} "{part}" should read "<assignment>: <{column}>", such as "optimizers: {example}"'
            )
        found[assignment] = word
    return found


def groups(students: dict[str, Student], assignment: str) -> dict[str, list[str]]:
    """The ids of each group's members in an assignment; a group may have one."""
    members: dict[str, list[str]] = {}
    for student in students.values():
        if group := student.group(assignment):
            members.setdefault(group, []).append(student.id)
    return members


def write(course: Course, students: list[Student]) -> Path:
    """Write a class list where there is none.

    Raises:
        CourseError: there is one.
    """
    path = course.root / "students.csv"
    if path.exists():
        raise CourseError(f"{path} exists")
    columns = ("id", "first_name", "last_name", "email", "lms_id", "login")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for student in students:
            values = [safe_text.field(getattr(student, column)) for column in columns]
            writer.writerow([*values, *[""] * (len(COLUMNS) - len(values))])
    return path


def plain(name: str) -> str:
    """A name as it is compared: no accents' spelling variants, no case, single spaces."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
