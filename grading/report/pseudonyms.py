"""Pseudonyms for reports that are shown to others; a student has the same one in every report."""

import hashlib
import re
import secrets
from collections.abc import Iterable

from grading.course import class_list
from grading.course.folder import Course


class Pseudonyms:
    """Replaces student ids, and the names and addresses of the class list, by pseudonyms.

    They are made with the key in `records/pseudonyms.key`, which git ignores. Without the key nobody can compute the
    pseudonym of an id.

    Args:
        students: every id that a text may contain.
    """

    def __init__(self, course: Course, students: Iterable[str]):
        path = course.root / "records" / "pseudonyms.key"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(secrets.token_hex(16), encoding="ascii")
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
        self._names = {
            student: "s-" + hashlib.blake2b(student.encode(), key=key, digest_size=4).hexdigest()
            for student in students
        }
        self._words = dict(self._names)
        for student in class_list.read(course).values():
            pseudonym = self._names.get(student.id, "s-other")
            known = (student.name, student.first_name, student.last_name, student.email, student.login, student.lms_id)
            self._words = {word: pseudonym for word in known if len(word) > 2} | self._words

    def name(self, student: str) -> str:
        """The pseudonym of a student."""
        return self._names[student]

    def text(self, words: str) -> str:
        """The text with a pseudonym in place of every word that is an id, a name or an address."""
        for known in sorted(self._words, key=len, reverse=True):
            words = re.sub(rf"(?<!\w){re.escape(known)}(?!\w)", self._words[known], words)
        return words
