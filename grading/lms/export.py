"""Grades as Moodle and Canvas import them, and every test cell as a tidy table: nbgrader's ExportPlugins.

    nbgrader export --exporter=grading.lms.export.MoodleExporter --to grades-moodle.csv

Late penalties are taken off, as in nbgrader's own export. A student of `students.csv` who handed in nothing has an
empty field, which no LMS takes for a zero; `c.LmsExporter.missing = "0"` makes it one.
"""

import csv
from pathlib import Path

from nbgrader.api import Gradebook
from nbgrader.plugins import ExportPlugin
from traitlets import Dict, Unicode

from grading.course import class_list, safe_text
from grading.course.class_list import Student
from grading.course.folder import Course
from grading.gradebook import scores
from grading.gradebook.scores import Submission
from grading.report.table import number

Found = dict[str, dict[str, Submission]]  # the submissions by assignment and student


class _Exporter(ExportPlugin):
    """What the exporters share: which assignments and students, and proper quoting.

    Attributes:
        known: the scores by assignment, if they have been read already.
    """

    default_name = "grades.csv"
    known: dict[str, dict[str, Submission]] | None = None

    def export(self, gradebook: Gradebook) -> None:
        names = [a.name for a in gradebook.assignments if not self.assignment or a.name in map(str, self.assignment)]
        found = self.known or {name: scores.read(gradebook, name) for name in names}
        students = self._students(gradebook)
        path = Path(self.to or self.default_name)
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(map(safe_text.fields, self.rows(gradebook, names, found, students)))
        self.log.info("Exported %d assignments of %d students to %s", len(names), len(students), path)

    def rows(
        self,
        gradebook: Gradebook,
        assignments: list[str],
        found: Found,
        students: list[Student],
    ) -> list[list]:
        """The lines of the file, its header first."""
        raise NotImplementedError

    def _students(self, gradebook: Gradebook) -> list[Student]:
        """The class list, and students who are only in the gradebook."""
        listed = class_list.read(Course(Path(self.config.CourseDirectory.get("root", ".")).resolve()))
        students = dict(listed)
        for student in gradebook.students:
            if student.id not in students:
                if listed:
                    self.log.warning("%s is in the gradebook and not in students.csv", student.id)
                names = (student.first_name or "", student.last_name or "", student.email or "")
                students[student.id] = Student(student.id, *names, student.lms_user_id or "")
        chosen = [str(name) for name in self.student]
        return [students[name] for name in sorted(students) if not chosen or name in chosen]


class LmsExporter(_Exporter):
    """A column for each assignment and, for more than one, their total."""

    missing = Unicode("", help="The value of an assignment that was not handed in.").tag(config=True)
    columns = Dict({}, help="What the LMS calls an assignment, by our name.").tag(config=True)
    total = Unicode("Course total", help="The name of the column with the total.").tag(config=True)

    def column(self, assignment: str) -> str:
        """The heading of an assignment's column."""
        return self.columns.get(assignment, assignment)

    def points(self, assignments: list[str], found: Found, student: Student) -> list[str]:
        """A student's points in each assignment and, for more than one, in all."""
        own = [found[name].get(student.id) for name in assignments]
        fields = [number(submission.score) if submission else self.missing for submission in own]
        if len(assignments) > 1:
            handed_in = [submission.score for submission in own if submission]
            fields.append(number(sum(handed_in)) if handed_in else self.missing)
        return fields

    def headings(self, assignments: list[str]) -> list[str]:
        """The headings of these fields."""
        return [*map(self.column, assignments), *([self.total] if len(assignments) > 1 else [])]


class MoodleExporter(LmsExporter):
    """For Moodle's Grades > Import > CSV file: identify users by e-mail address, ID number or username."""

    default_name = "grades-moodle.csv"

    def rows(self, gradebook: Gradebook, assignments: list[str], found: Found, students: list[Student]) -> list[list]:
        lines = [["Username", "ID number", "Email address", "First name", "Last name", *self.headings(assignments)]]
        for s in students:
            lines.append([s.login or s.id, s.lms_id, s.email, s.first_name, s.last_name])
            lines[-1] += self.points(assignments, found, s)
        return lines


class CanvasExporter(LmsExporter):
    """For Canvas's gradebook import. The second line says the points; a heading "Optimizers (1234)" names Canvas's own.

    Canvas works out totals itself, so there is no column for them.
    """

    default_name = "grades-canvas.csv"

    def rows(self, gradebook: Gradebook, assignments: list[str], found: Found, students: list[Student]) -> list[list]:
        identity = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
        full = [number(scores.full_score(gradebook, name)) for name in assignments]
        lines = [[*identity, *map(self.column, assignments)], ["    Points Possible", "", "", "", "", *full]]
        for s in students:
            name = f"{s.last_name}, {s.first_name}" if s.last_name and s.first_name else s.name or s.id
            points = self.points(assignments, found, s)[: len(assignments)]
            lines.append([name, s.lms_id, s.id, s.login or s.id, s.section, *points])
        return lines


class CellsExporter(_Exporter):
    """One line for each student and test cell: for pandas, R or a spreadsheet."""

    default_name = "grades-cells.csv"

    def rows(self, gradebook: Gradebook, assignments: list[str], found: Found, students: list[Student]) -> list[list]:
        chosen = {s.id for s in students}
        lines = [["assignment", "student", "cell", "points", "max", "automatic", "manual", "extra_credit"]]
        for assignment in assignments:
            for student, submission in found[assignment].items():
                if student in chosen:
                    for cell in submission.cells.values():
                        values = (cell.points, cell.full, cell.auto, cell.manual, cell.extra)
                        lines.append([assignment, student, cell.name, *map(number, values)])
        return lines


def ungraded(course: Course, assignments: list[str]) -> dict[str, dict[str, list[str]]]:
    """By assignment and student, the answers that a person has to grade and has not: an export leaves them out."""
    waiting = {}
    with course.gradebook() as gradebook:
        for name in assignments:
            found = {s: own.waiting for s, own in scores.read(gradebook, name).items() if own.waiting}
            if found:
                waiting[name] = found
    return waiting


def export(course: Course, assignments: list[str]) -> list[Path]:
    """Write all three files into the course folder.

    Args:
        assignments: only these, into files that bear their name if there is one alone.
    """
    paths = []
    name = f"-{assignments[0]}" if len(assignments) == 1 else ""
    with course.gradebook() as gradebook:
        known = {name: scores.read(gradebook, name) for name in assignments}
        for plugin in (MoodleExporter, CanvasExporter, CellsExporter):
            exporter = plugin(config=course.config)
            exporter.assignment, exporter.known = assignments, known
            path = course.root / plugin.default_name.replace(".csv", f"{name}.csv")
            exporter.to = str(path)
            exporter.export(gradebook)
            paths.append(path)
    return paths
