"""What a page calls students: by id, by pseudonym, or by name."""

from collections.abc import Iterable

from grading.course import class_list
from grading.course.errors import CourseError
from grading.course.folder import Course
from grading.report.pseudonyms import Pseudonyms


class People:
    """What students are called on a page.

    Args:
        students: every id that the page, or a text on it, may name.
        anonymous: students have pseudonyms.
        names: students are called by their names in the class list, with their ids; else by their ids only.

    Raises:
        CourseError: both are wanted, or there is no class list for the names.
    """

    def __init__(self, course: Course, students: Iterable[str], anonymous: bool = False, names: bool = False):
        if anonymous and names:
            raise CourseError("A page has names or pseudonyms: leave out NAMES=yes or ANONYMOUS=yes.")
        self.suffix = "-anonymous" if anonymous else "-names" if names else ""
        listed = class_list.read(course) if names else {}
        if names and not listed:
            raise CourseError(f"NAMES=yes takes the names from {course.root / 'students.csv'}, which does not exist.")
        self._names = {student.id: f"{student.name} ({student.id})" for student in listed.values() if student.name}
        self.pseudonyms = Pseudonyms(course, students) if anonymous else None

    def called(self, student: str) -> str:
        return self.pseudonyms.name(student) if self.pseudonyms else self._names.get(student, student)

    def text(self, words: str) -> str:
        """A text that may name students."""
        return self.pseudonyms.text(words) if self.pseudonyms else words
