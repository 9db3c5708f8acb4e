"""Save executed submissions: all that are ready at the moment, in one transaction.

The files of each are written first, then the scores of all in one transaction, then each graded notebook and its record
are put in place, in the order in which they are given. A submission has a record only if all of it is saved. So if the
grader is killed in between, the next run finds no record, or an older one, and grades it again, with the same result.

If the transaction fails, each submission is saved in one of its own: a fault costs nobody else a grade. A lost
connection costs none, if there is another one.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from grading.course.folder import Course
from grading.gradebook import records
from grading.gradebook.database import ClassGradebook, is_lost
from grading.gradebook.records import Record
from grading.gradebook.submission_rows import Entry
from grading.run.conversion import Converter, penalties
from grading.run.results import Executed, Finished
from grading.run.sanitizing import Sanitized


@dataclass(frozen=True)
class Ready:
    """A submission that is executed and not saved yet."""

    converter: Converter
    sanitized: Sanitized
    executed: Executed | Finished


@dataclass(frozen=True)
class _Written:
    """A submission whose files are written beside those of an earlier grade.

    Attributes:
        entry: what the gradebook gets.
        ended: the record, which is in the temporary file `half`.
    """

    entry: Entry
    ended: Record
    half: Path


class Writer:
    """Writes a course's gradebook, `autograded/` and `records/`."""

    def __init__(self, course: Course, gradebook: ClassGradebook):
        self.course, self.gradebook, self._penalty = course, gradebook, penalties(course)

    def save(self, ready: list[Ready]) -> Iterator[tuple[Ready, Record | Exception]]:
        """Save submissions; each comes with its record, or with the error because of which it is not saved."""
        written = [self._write_files(one) for one in ready]
        entries = [one.entry for one in written if isinstance(one, _Written)]
        error = self._try_together(entries)
        again = error is not None and (len(entries) > 1 or is_lost(error))
        for one, files in zip(ready, written):
            ended: Record | Exception
            if isinstance(files, Exception):
                ended = files
            elif error is not None and not again:
                ended = error
            else:
                try:
                    if again:
                        self._write_scores([files.entry])
                    ended = self._put_in_place(one.converter, files)
                except Exception as problem:
                    ended = problem
            yield one, ended

    def _write_files(self, one: Ready) -> _Written | Exception:
        """Write all files before the scores: without room for them there are no new scores."""
        converter, submission = one.converter, one.converter.submission
        try:
            finished = converter.finish(one.sanitized, one.executed)
            for name, content in finished.files.items():
                path = converter.draft / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            (converter.draft / f"{submission.assignment}.ipynb").write_text(finished.text, encoding="utf-8")
            ended = converter.record(finished)
            entry = Entry(
                submission.student,
                submission.assignment,
                submission.assignment,
                one.sanitized.handed_in,
                finished.scores,
                converter.graded_before,
                self._penalty,
            )
            return _Written(entry, ended, ended.prepare(self.course))
        except Exception as error:
            return error

    def _try_together(self, entries: list[Entry]) -> Exception | None:
        """Write all scores in one transaction; the error if that fails, which need not be the fault of all."""
        try:
            if entries:
                self._write_scores(entries)
            return None
        except Exception as error:
            return error

    def _write_scores(self, entries: list[Entry]) -> None:
        with self.gradebook.transaction():
            self.gradebook.write(entries)
            for entry in entries:  # the record speaks of other scores than those that are there from now on
                records.file_of(self.course, entry.assignment, entry.student).unlink(missing_ok=True)

    def _put_in_place(self, converter: Converter, files: _Written) -> Record:
        if converter.target.exists():
            shutil.rmtree(converter.target)
        converter.draft.rename(converter.target)
        converter.set_permissions(files.entry.assignment, files.entry.student)
        files.half.replace(records.file_of(self.course, files.entry.assignment, files.entry.student))
        return files.ended
