"""Moodle's grading worksheet with grades and comments filled in, to be uploaded again.

Assignment > View all submissions > Upload grading worksheet. Moodle takes the grade and the feedback comment of each
line, finds the student by the identifier, and refuses a grade that has been changed there since the download.
"""

from dataclasses import dataclass, field
from pathlib import Path

from grading.course import class_list, rubrics, times
from grading.course.errors import CourseError
from grading.course.folder import Course
from grading.gradebook import scores
from grading.gradebook.scores import Submission
from grading.lms import worksheet
from grading.report import table
from grading.report.table import number


@dataclass
class Filled:
    """What was written.

    Attributes:
        path: the worksheet to upload.
        graded: students whose grade is in it.
        left: why a student's line is as it was, or why a graded student has no line.
        remarks: what is worth knowing.
    """

    path: Path
    graded: list[str] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


def fill(course: Course, assignment: str, path: Path | None = None, scale: bool = False) -> Filled:
    """Write `worksheet-<assignment>.csv` from a worksheet of Moodle's and the gradebook.

    Args:
        path: the worksheet; by default the one that was given to `make collect`.
        scale: Moodle's assignment has another maximum, and the points are to be scaled to it.

    Raises:
        CourseError: there is no worksheet, it has no comments' column, or Moodle's maximum is another one.
    """
    path = path or course.root / "downloaded" / assignment / "worksheet.csv"
    if not path.is_file():
        raise CourseError(
            f"{path}: there is no grading worksheet. Download it from Moodle (View all submissions > Download grading "
            f"worksheet), then run: make export ASSIGNMENT={assignment} LMS=moodle WORKSHEET=<file>"
        )
    sheet = worksheet.read(path, times.zone_of(course))
    with course.gradebook() as gradebook:
        found, full = scores.read(gradebook, assignment), scores.full_score(gradebook, assignment)
    if not found:
        raise CourseError(f"{assignment}: nothing is graded yet. Run: make grade ASSIGNMENT={assignment}")
    if sheet.highest != full and not scale:
        raise CourseError(
            f"{path}: Moodle's maximum grade is {sheet.highest:g}, and {assignment} has {full:g} points. Set Moodle's "
            f"(Settings > Grade > Maximum grade) to {full:g}, or run it again with SCALE=yes."
        )
    factor = sheet.highest / full if scale and full else 1.0
    done = Filled(course.root / f"worksheet-{assignment}.csv")
    words = {result.student: result.wrong for result in table.collect(course, assignment)}
    grades, comments, ids = {}, {}, sheet.ids(class_list.read(course))
    for line, student in ids.items():
        submission = found.get(student)
        if submission is None:
            done.left[student] = "handed in nothing that is graded; the line is as it was"
            continue
        points = submission.score * factor
        if points > sheet.highest:
            done.remarks.append(f"{student}: {number(points)} is more than Moodle's maximum, which is written instead")
            points = sheet.highest
        grades[line] = number(points)
        comments[line] = comment(submission, words.get(student, {}))
        done.graded.append(student)
    for student in sorted(set(found) - set(ids.values())):
        done.left[student] = "is graded, and the worksheet has no line for them"
    if sheet.comments is None:
        done.remarks.append('There is no column for comments: it needs the feedback type "Feedback comments" in Moodle')
    done.path.write_text(sheet.filled(grades, comments), encoding="utf-8")
    return done


def comment(submission: Submission, wrong: dict[str, str]) -> str:
    """What a student reads in the LMS beside the grade: the points, what went wrong, what a person wrote."""
    parts = [f"{number(submission.score)} of {number(submission.full)} points"]
    if submission.penalty:
        parts[0] += f" ({number(submission.penalty)} taken off for being late)"
    parts += [f"{name}: {words}" for name, words in wrong.items()]
    parts += [f"{cell}: {' '.join(rubrics.plain(text).split())}" for cell, text in submission.comments.items()]
    return ". ".join(part.rstrip(".") for part in parts) + "."
