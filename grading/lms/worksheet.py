"""Moodle's grading worksheet: who is who, when each submission came, which group it is from; and the grades to upload.

Assignment > View all submissions > Download grading worksheet. It needs the feedback type "Offline grading worksheet".
Moodle's code calls it `assignfeedback_offline`; its columns are made in `mod/assign/gradingtable.php`:

    Identifier, Full name, <other identity fields>, Status, Group, Grade, Maximum grade, Grade can be changed,
    Last modified (submission), Online text, Last modified (grade), Feedback comments

The headings are in the user's language, and the assignment's settings decide which columns exist. So columns are found
by position and content: `Maximum grade` is the same number in every line, and the grade is left of it; the two columns
to the right that hold only dates or "-" are the times.
"""

import csv
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from zoneinfo import ZoneInfo

from grading.course import safe_text
from grading.course.class_list import Student, plain
from grading.course.errors import CourseError
from grading.lms import written_dates

NONE = "-"  # what Moodle writes for a time that there is not
# The heading of the column with the group, from Moodle's language packs (`submissionteam`).
GROUP = ("group", "gruppe", "groupe", "grupo", "gruppo", "groep", "grupp", "grup", "grupa", "taldea", "группа", "群組")
STATUS_REPEATS = 0.5  # a column with fewer different values than this share of its lines holds no names
STRIPPED = re.compile(r"[\x00-\x1f\x7f&<>\"`|':\\/\u2019]")  # what Moodle's PARAM_FILE takes out of a file's name


@dataclass(frozen=True)
class Row:
    """A line of the worksheet: a student.

    Attributes:
        number: Moodle's number of the participant, for this assignment only; file names in the archive contain it.
        name: the full name; empty if the worksheet is anonymous.
        identity: the other columns that say who it is: e-mail address, ID number, username, as the site is set.
        group: of a group submission; else empty.
        submitted: when, in UTC without a zone; None if nothing was, or if that is not known.
        remark: what is wrong about the time.
    """

    number: str
    name: str
    identity: tuple[str, ...]
    status: str
    group: str
    submitted: datetime | None
    remark: str
    fields: list[str]


@dataclass(frozen=True)
class Worksheet:
    """A grading worksheet.

    Attributes:
        header: the headings, as they are.
        rows: by the participant's number.
        highest: the maximum grade in Moodle.
        grade: the column of the grade.
        comments: the column of the feedback comments; None if there is none.
    """

    path: Path
    header: list[str]
    rows: dict[str, Row]
    delimiter: str
    highest: float
    grade: int
    comments: int | None
    identity: dict[int, str] = field(default_factory=dict)

    @property
    def anonymous(self) -> bool:
        return not any(row.name for row in self.rows.values())

    def groups(self) -> dict[str, list[Row]]:
        """The members of each group, for a group submission."""
        found: dict[str, list[Row]] = {}
        for row in self.rows.values():
            if row.group:
                found.setdefault(row.group, []).append(row)
        return found

    def ids(self, students: dict[str, Student]) -> dict[str, str]:
        """nbgrader's id by the participant's number.

        A line is matched with students.csv by e-mail address, ID number, username or id, then by the full name if
        only one student has it. One that is not there gets its username, ID number or e-mail address as id; an
        anonymous one, `participant-<number>`.
        """
        known: dict[str, set[str]] = {}
        for student in students.values():
            for word in {student.id, student.email, student.lms_id, student.login} - {""}:
                known.setdefault(word.casefold(), set()).add(student.id)
        names: dict[str, set[str]] = {}
        for student in students.values():
            if student.name:
                for name in (student.name, f"{student.last_name} {student.first_name}"):
                    names.setdefault(file_name(name), set()).add(student.id)
        found = {}
        for number, row in self.rows.items():
            exact = {student for word in row.identity for student in known.get(word.casefold(), ())}
            same = exact or names.get(file_name(row.name), set())
            found[number] = same.pop() if len(same) == 1 else self._made_up(row)
        return found

    def students(self) -> list[Student]:
        """What the worksheet knows of the class, for a course without a class list. None if it is anonymous."""
        if self.anonymous:
            return []
        made = []
        for row in self.rows.values():
            named = {self.identity.get(i, ""): word for i, word in enumerate(row.fields)}
            email, number, login = named.get("email", ""), named.get("lms_id", ""), named.get("login", "")
            made.append(Student(self._made_up(row), row.name, "", email, number, login))
        return made

    def _made_up(self, row: Row) -> str:
        named = {self.identity.get(i, ""): word for i, word in enumerate(row.fields)}
        words = (named.get("login"), named.get("lms_id"), named.get("email"), f"participant-{row.number}")
        return next(word for word in words if word)

    def filled(self, grades: dict[str, str], comments: dict[str, str]) -> str:
        """The worksheet as it is uploaded again.

        Args:
            grades: by the participant's number; all others stay as they are.
            comments: by the participant's number; all others stay as they are.
        """
        lines = StringIO()
        writer = csv.writer(lines, lineterminator="\n")  # Moodle reads commas only
        writer.writerow(self.header)
        for number, row in self.rows.items():
            # As Moodle wrote it, lines of an online text included, but for what a spreadsheet would run.
            formulas = [value.lstrip().startswith(safe_text.FORMULA) and value != NONE for value in row.fields]
            values = [f"'{value}" if formula else value for value, formula in zip(row.fields, formulas)]
            if number in grades:
                values[self.grade] = grades[number]
            if self.comments is not None and number in comments:
                values[self.comments] = safe_text.text(comments[number])
            writer.writerow(values)
        return lines.getvalue()


def file_name(name: str) -> str:
    """A name as Moodle writes it into an archive, to be compared: some characters are left out."""
    return plain(STRIPPED.sub("", name.replace("_", " ")))


def read(path: Path, zone: ZoneInfo) -> Worksheet:
    """Read a grading worksheet, in any language, also if a spreadsheet has saved it again.

    Args:
        zone: of the times in it, which name none.

    Raises:
        CourseError: there is no such file, or it is no grading worksheet.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CourseError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise CourseError(f"{path}: is not UTF-8. Download it from Moodle again, or save it as CSV UTF-8.") from None
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    lines = [line for line in csv.reader(StringIO(text, newline=""), delimiter=delimiter) if any(line)]
    header, records = (lines[0], lines[1:]) if lines else ([], [])
    found = [re.search(r"(\d+)\s*$", record[0]) for record in records]
    numbers = [match[1] for match in found if match]
    if not records or len(header) < 5 or len(numbers) < len(records) or any(len(r) != len(header) for r in records):
        raise CourseError(
            f"{path}: is no grading worksheet of Moodle's: its first column should be the identifiers "
            '("Participant 123"), and every line as long as the first one'
        )
    times = [i for i in range(2, len(header)) if all(_is_time(record[i]) for record in records)]
    if not times:
        raise CourseError(f"{path}: has no column with times, as a grading worksheet of Moodle's has")
    column, highest = _highest(records, times[0])
    if not highest:
        raise CourseError(f"{path}: has no column with the maximum grade. A scale instead of points has no numbers.")
    grade = column - 1
    submitted, marked = (times[0], times[1]) if len(times) > 1 else (None, times[0])
    headings = [heading.strip().casefold() for heading in header]
    group = next((i for i in range(1, grade) if headings[i] in GROUP), None)
    named = _is_named([record[1] for record in records]) and grade > 2
    status = max(i for i in range(1, grade) if i != group and (i > 1 or not named))
    rows = {}
    for number, record in zip(numbers, records):
        moment, remark = (None, "") if submitted is None else _moment(record[submitted], zone)
        identity = tuple(word for word in record[2:status] if word) if named else ()
        rows[number] = Row(
            number,
            record[1].strip() if named else "",
            identity,
            record[status],
            record[group].strip() if group else "",
            moment,
            remark,
            record,
        )
    return Worksheet(
        path,
        header,
        rows,
        delimiter,
        highest,
        grade,
        marked + 1 if marked + 1 < len(header) else None,
        _identities(headings, records, range(2, status)) if named else {},
    )


def _highest(records: list[list[str]], end: int) -> tuple[int, float]:
    """The column of the maximum grade, and that grade; 0 if there is no such column.

    It is the last column before the times with the same positive number in every line.
    """
    for i in reversed(range(2, end)):
        values = {_number(record[i]) for record in records}
        if len(values) == 1 and (highest := values.pop() or 0) > 0:
            return i, highest
    return 0, 0


def _number(text: str) -> float | None:
    try:
        return float(text.strip().replace(",", "."))
    except ValueError:
        return None


def _is_time(text: str) -> bool:
    if text.strip() == NONE:
        return True
    try:
        written_dates.parse(text)
    except ValueError:
        return False
    return True


def _is_named(values: list[str]) -> bool:
    """Whether a column holds names: those differ, while a status repeats."""
    return len(values) < 3 or len(set(values)) > STATUS_REPEATS * len(values)


def _identities(headings: list[str], records: list[list[str]], columns: range) -> dict[int, str]:
    """Which field of the class list a column holds, as far as that is clear."""
    found = {}
    for i in columns:
        if headings[i] in ("username", "anmeldename", "nom d\u2019utilisateur", "nombre de usuario"):
            found[i] = "login"
        elif any("@" in record[i] for record in records):
            found[i] = "email"
        elif headings[i] in ("id number", "id-nummer", "numéro d\u2019identification", "número de id"):
            found[i] = "lms_id"
    return found


def _moment(text: str, zone: ZoneInfo) -> tuple[datetime | None, str]:
    """A time in UTC, and what is to be said about it."""
    if text.strip() == NONE:
        return None, ""
    local = written_dates.parse(text)
    early, late = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    remark = ""
    if early < late:
        shown = local.strftime("%H:%M")
        remark = f"{shown} happened twice that night, as clocks went back; the first is noted"
    elif early > late:  # clocks skip it: the worksheet was made on another clock
        early, remark = late, f"there was no {local:%H:%M} in {zone.key} that night: check the time"
    return early.replace(tzinfo=None), remark
