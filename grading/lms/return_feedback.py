"""Feedback pages as one archive that the LMS takes back, with the names that it gave the submissions.

Moodle: Assignment > View all submissions > Upload multiple feedback files in a zip.
Canvas: Assignment > Upload submissions. Canvas shows a returned file under the name of the student's own notebook.
"""

import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from grading.course import class_list, times
from grading.course.errors import CourseError
from grading.course.folder import Course
from grading.lms import worksheet
from grading.lms.collect import download_names
from grading.lms.plan import CANVAS, MOODLE, canvas_group


@dataclass
class Returned:
    """What is in the archive.

    Attributes:
        path: the archive.
        students: whose page is in it.
        left: whose page is not, and why.
    """

    path: Path
    students: list[str] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)


def hand_back(course: Course, assignment: str) -> Returned:
    """Write `returned/<assignment>.zip` from the feedback pages.

    Raises:
        CourseError: there are no pages.
    """
    pages = {
        path.parent.parent.name: path
        for path in sorted((course.root / "feedback").glob(f"*/{assignment}/{assignment}.html"))
    }
    if not pages:
        raise CourseError(f"There is no feedback for '{assignment}'. Run: make feedback ASSIGNMENT={assignment}")
    names = download_names(course, assignment)
    numbered, groups = _numbered(course, assignment), class_list.groups(class_list.read(course), assignment)
    done = Returned(course.root / "returned" / f"{assignment}.zip")
    done.path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(done.path, "w", zipfile.ZIP_DEFLATED) as archive:
        for student, page in pages.items():
            name = f"{student}/{assignment}.html" if not names else _name(names.get(student), assignment, groups)
            name = numbered.get(student, name)
            if student not in numbered and _is_of_group(name, groups):
                done.left[student] = f"Moodle finds members of a group by its grading worksheet only: return {page}"
            elif name is None:
                done.left[student] = f"the LMS's archive held nothing of theirs, so it accepts no page: return {page}"
            else:
                archive.write(page, name)
                done.students.append(student)
    return done


def _numbered(course: Course, assignment: str) -> dict[str, str]:
    """The names that Moodle's import knows for everybody in the grading worksheet, handed in through Moodle or not.

    `mod/assign/feedback/file/importziplib.php` takes the second of the words between underscores for the participant.
    """
    path = course.root / "downloaded" / assignment / "worksheet.csv"
    if not path.is_file():
        return {}
    sheet = worksheet.read(path, times.zone_of(course))
    found = {}
    for number, student in sheet.ids(class_list.read(course)).items():
        name = worksheet.STRIPPED.sub("", sheet.rows[number].name or "Participant").replace("_", " ")
        found[student] = f"{name}_{number}_assignsubmission_file/{assignment}.html"
    return found


def _is_of_group(name: str | None, groups: dict[str, list[str]]) -> bool:
    match = MOODLE.fullmatch(name or "")
    return match is not None and worksheet.file_name(match["name"]) in map(worksheet.file_name, groups)


def _name(downloaded: str | None, assignment: str, groups: Iterable[str] = ()) -> str | None:
    """How the LMS wants the page of a student to be called, whose notebook it called `downloaded`.

    Args:
        groups: the names of groups. Numbers in them are not Canvas's numbers of a user and a file.
    """
    if downloaded is None:
        return None
    parts = downloaded.split("/")
    for number in range(len(parts)):  # everything may lie in one more folder; the outermost name is the LMS's
        entry = "/".join(parts[number:])
        start = next((start for start in map(canvas_group, groups) if entry.startswith(start)), "")
        match = MOODLE.fullmatch(entry) or CANVAS.fullmatch(f"group_{entry[len(start) :]}" if start else entry)
        if match and match["file"]:
            return entry[: len(entry) - len(match["file"])] + f"{assignment}.html"
    return f"{Path(downloaded).with_suffix('')}.html"
