"""Results: points by exercise, mistakes in a few words, the table on the terminal, `grades.csv`."""

import csv
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from nbformat import NotebookNode
from rich.cells import cell_len
from rich.markup import escape
from rich.table import Table

from grading.course import notebooks
from grading.course.folder import Course
from grading.course.safe_text import field as safe_field
from grading.course.safe_text import printed
from grading.gradebook import handed_in, late_penalties, records, scores
from grading.gradebook.records import Record

NOT_WRITTEN = "not written yet"
MOST_NAMES = 30  # in one line under the table
EARLIER = "the points are those of an earlier submission"
NOT_ISOLATED = "Students' code was NOT isolated (SANDBOX=none): it ran with the grader's rights."


@dataclass
class Result:
    """One student's result in one assignment.

    Attributes:
        points: by exercise, see `exercises`.
        wrong: by exercise, in a few words, what the first lost test found.
        record: how the grading ended; None if that is not known.
        penalty: points taken off for being late.
        waiting: exercises with an answer that a person has not graded yet.
        time_unknown: whether it is not known when this was handed in.
    """

    student: str
    points: dict[str, float] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    record: Record | None = None
    penalty: float = 0.0
    waiting: list[str] = field(default_factory=list)
    time_unknown: bool = False

    @property
    def total(self) -> float:
        """The points minus the penalty, as in the exports."""
        return max(0.0, sum(self.points.values()) - self.penalty)


def exercises(course: Course, assignment: str) -> dict[str, float]:
    """What gives points in an assignment, in order, with the points: exercises, and answers that a person grades."""
    notebook = notebooks.read(course.source(assignment))
    cells = notebooks.by_id(notebook)
    return {
        name: sum(notebooks.points(cells[one]) for one in own) for name, own in notebooks.graded_of(notebook).items()
    }


def collect(course: Course, assignment: str) -> list[Result]:
    """The results of all students of an assignment, from the gradebook and the records.

    An autograded notebook is read only if no record tells what is in it.
    """
    notebook = notebooks.read(course.source(assignment))
    tests, graded = notebooks.tests_of(notebook), notebooks.graded_of(notebook)
    asked = notebooks.answers_of(notebook)
    results, known = {}, records.read(course, assignment)
    with course.gradebook() as gradebook:
        everybody = scores.read(gradebook, assignment)
    for student, found in everybody.items():
        cells = found.cells
        result = results[student] = Result(student, penalty=found.penalty, time_unknown=found.handed_in is None)
        result.points = {name: sum(cells[one].points for one in own if one in cells) for name, own in graded.items()}
        result.waiting = [
            name for name, own in graded.items() if any(one in cells and cells[one].needs_grading for one in own)
        ]
        left = {name for name in asked if name in cells and cells[name].left_empty}
        path = course.root / "autograded" / student / assignment / f"{assignment}.ipynb"
        if _tells(known.get(student), course, path):
            result.wrong = _told(known[student], tests)
        elif path.is_file():
            result.wrong = _what_went_wrong(path, tests)
        result.wrong |= dict.fromkeys(left, NOT_WRITTEN)
    for student, record in known.items():
        results.setdefault(student, Result(student)).record = record
    return [results[student] for student in sorted(results)]


def table(course: Course, assignment: str, results: list[Result]) -> Table:
    """Student by exercise, for a terminal."""
    known = exercises(course, assignment)
    legend = ", ".join(f"{i} {name}" for i, name in enumerate(known, start=1))
    table = Table(title=f"{assignment}: {legend}", title_justify="left", title_style="", show_lines=False)
    # rich measures every cell of a column without a width, which takes as long as to print them.
    longest = max((cell_len(_cell(result.student)) for result in results), default=0)
    table.add_column("student", no_wrap=True, width=max(len("student"), min(40, longest)))
    # All exercises are one column: for a class of a thousand rich takes seconds for each further one.
    widths = []
    for i, (name, points) in enumerate(known.items(), start=1):
        widths.append(_width(f"{i}", f"/{points:g}", *(_plain_mark(result, name) for result in results)))
    heads = (map(str, range(1, len(known) + 1)), (f"/{points:g}" for points in known.values()))
    lines = ["  ".join(word.rjust(width) for word, width in zip(words, widths)) for words in heads]
    table.add_column("\n".join(lines), no_wrap=True, width=len(lines[0]))
    late = any(result.penalty for result in results)
    if late:
        table.add_column("late", justify="right", no_wrap=True)
    total = f"/{sum(known.values()):g}"
    totals = [f"{result.total:g}" for result in results]
    table.add_column(f"total\n{total}", justify="right", no_wrap=True, width=_width("total", total, *totals))
    table.add_column("what went wrong", overflow="fold", ratio=1)
    for result in results:
        notes = [remark(result.record)] if result.record and remark(result.record) else []
        if result.points and result.record and not result.record.has_grade:
            notes.append(EARLIER)
        if not result.points:
            marks = "  ".join("-".rjust(width) for width in widths)
            table.add_row(_cell(result.student), marks, *["-"] * (1 + late), _cell("; ".join(notes)))
            continue
        marks = "  ".join(_mark(result, name, full, width) for (name, full), width in zip(known.items(), widths))
        penalty = [f"-{result.penalty:g}" if result.penalty else ""] if late else []
        if result.waiting:
            notes.append(f"not graded by hand yet: {', '.join(result.waiting)}")
        empty = [name for name, words in result.wrong.items() if words == NOT_WRITTEN]
        notes += [f"{name}: {words}" for name, words in result.wrong.items() if words != NOT_WRITTEN]
        if empty:
            notes.append(f"{NOT_WRITTEN}: {'all' if len(empty) == len(known) else ', '.join(empty)}")
        table.add_row(_cell(result.student), marks, *penalty, f"{result.total:g}", _cell("; ".join(notes)))
    captions = _about_answers(course, assignment, results)
    captions += [*_about_lateness(course, assignment, results), *_not_graded(course, assignment)]
    if any(result.record and not result.record.isolated for result in results):
        captions.append(NOT_ISOLATED)
    if captions:
        table.caption = "\n".join(captions)
        table.caption_justify = "left"
    return table


def _width(*texts: str) -> int:
    return max(map(len, texts))


def _about_answers(course: Course, assignment: str, results: list[Result]) -> list[str]:
    """How many answers wait for a person."""
    asked = notebooks.answers_of(notebooks.read(course.source(assignment)))
    counts = Counter(name for result in results for name in result.waiting if name in asked)
    if not counts:
        return []
    each = ", ".join(f"{name} {count}" for name, count in counts.items())
    return [f"Not graded by hand yet, {counts.total()}: {each}. Run: make mark ASSIGNMENT={assignment}"]


def _about_lateness(course: Course, assignment: str, results: list[Result]) -> list[str]:
    """When the assignment is due, and of how many submissions it is not known whether they are late."""
    due = late_penalties.due_in_words(course, assignment)
    if not due:
        return []
    said = [f"Due {due}. Totals are after penalties for being late."]
    unknown = sum(bool(result.points) and result.time_unknown for result in results)
    if unknown and late_penalties.settings(course)[0].rule.strip() not in ("", "none"):
        one = unknown == 1
        said.append(
            f"{unknown} submission{'' if one else 's'} ha{'s' if one else 've'} no time of submission, so no penalty: "
            "write it to submitted/<student>/<assignment>/timestamp.txt, then make grade."
        )
    return said


def _not_graded(course: Course, assignment: str) -> list[str]:
    """Who handed in nothing, and whose submission was refused or waits, as one line each."""
    there = handed_in.overview(course, assignment)
    lists = {
        "Not handed in": there.missing or [],
        "Refused (handed in, but not gradable)": sorted(there.refused),
        "Handed in, but nothing was collected (see make report)": sorted(there.not_collected),
        "Handed in, not graded yet": there.waiting,
    }
    return [f"{words}, {len(who)}: {_some(who)}" for words, who in lists.items() if who]


def _some(students: list[str]) -> str:
    more = len(students) - MOST_NAMES
    return ", ".join(map(_cell, students[:MOST_NAMES])) + (f", and {more} more (see make report)" if more > 0 else "")


def remark(known: Record) -> str:
    """How the grading ended, unless it ended normally."""
    return "" if known.state == records.GRADED else f"{known.state_words}: {known.reason}"


def changes(before: dict[str, dict[str, float]], after: dict[str, dict[str, float]], tests: dict) -> list[str]:
    """Changed scores, one line for each student.

    Args:
        before, after: see `gradebook.scores`.
        tests: the test cells of each exercise.
    """
    lines = []
    for student in sorted(before.keys() & after.keys()):
        old, new = before[student], after[student]
        moved = []
        for exercise, own in tests.items():
            was, now = (sum(scores.get(test, 0.0) for test in own) for scores in (old, new))
            if was != now:
                moved.append(f"{exercise} {was:g} -> {now:g}")
        if moved:
            was, now = (sum(scores.values()) for scores in (old, new))
            lines.append(f"{student}: {was:g} -> {now:g} ({now - was:+g}): {', '.join(moved)}")
    return lines


def write_csv(
    course: Course, assignments: list[str], path: Path, collected: dict[str, list[Result]] | None = None
) -> None:
    """Write one row for each student: points by exercise, totals by assignment, and in all.

    Args:
        collected: the results by assignment, if they are known already.
    """
    columns = ["student"]
    rows: dict[str, dict] = {}
    totals: dict[str, float] = {}
    for assignment in assignments:
        known = exercises(course, assignment)
        results = collected[assignment] if collected else collect(course, assignment)
        results = [one for one in results if one.points]
        late = any(result.penalty for result in results)
        columns += [f"{assignment}/{name}" for name in known] + [f"{assignment} late"] * late
        columns += [f"{assignment} total", f"{assignment} max"]
        for result in results:
            row = rows.setdefault(result.student, {"student": result.student})
            # Without rounding, as in the exports; "" is an answer that no person has graded yet.
            row |= {
                f"{assignment}/{name}": "" if name in result.waiting and not points else number(points)
                for name, points in result.points.items()
            }
            if late:
                row[f"{assignment} late"] = number(-result.penalty)
            row |= {f"{assignment} total": number(result.total), f"{assignment} max": number(sum(known.values()))}
            totals[result.student] = totals.get(result.student, 0.0) + result.total
    for student, row in rows.items():
        row["total"] = number(totals[student])
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*columns, "total"], restval="")
        writer.writeheader()
        for student in sorted(rows):
            writer.writerow({name: safe_field(value) for name, value in rows[student].items()})


def number(value: float | None) -> str:
    """A number as a spreadsheet reads it in every country: no thousands separator, at most four decimals."""
    text = "" if value is None else f"{value:.4f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _cell(text: str) -> str:
    """A text that may come from a student, for a table on a terminal."""
    return escape(printed(text))


def _plain_mark(result: Result, exercise: str) -> str:
    """The points; with "?" if a person has to give them, or to look again at those that an earlier answer got."""
    points = result.points.get(exercise, 0.0)
    if exercise not in result.waiting:
        return f"{points:g}"
    return f"{points:g}?" if points else "?"


def _mark(result: Result, exercise: str, full: float, width: int) -> str:
    """The points of an exercise, right-aligned; bold if they are not all."""
    text = _plain_mark(result, exercise)
    right = exercise in result.waiting or result.points.get(exercise, 0.0) == full
    return " " * (width - len(text)) + (text if right else f"[bold yellow]{text}[/]")


def _tells(record: Record | None, course: Course, path: Path) -> bool:
    """Whether a record tells what is in an autograded notebook: nbgrader itself may have made that one later."""
    if record is None or not record.has_grade or not all("empty" in test for test in record.tests.values()):
        return False
    try:
        recorded = records.file_of(course, record.assignment, record.student).stat().st_mtime_ns
        return path.stat().st_mtime_ns <= recorded
    except OSError:
        return False


def _told(record: Record, tests: dict[str, list[str]]) -> dict[str, str]:
    """What went wrong in each exercise, as the record has it."""
    wrong = {}
    for exercise, own in tests.items():
        for test in own:
            found = record.tests.get(test)
            words = few_words(found["error"], found["mistake"], exercise) if found else "its test is missing"
            if words:
                wrong[exercise] = NOT_WRITTEN if found and found["empty"] else words
                break
    return wrong


def _what_went_wrong(path: Path, tests: dict[str, list[str]]) -> dict[str, str]:
    cells = notebooks.by_id(notebooks.read(path))
    wrong = {}
    for exercise, own in tests.items():
        unfilled = exercise in cells and is_empty(cells[exercise])
        for test in own:
            words: str | None = "its test is missing"
            if test in cells:
                mistake = cells[test].metadata.get("grading", {}).get("mistake", "")
                words = few_words(first_line(cells[test]), mistake, exercise)
            if words:
                wrong[exercise] = NOT_WRITTEN if unfilled else words
                break
    return wrong


def is_empty(cell: NotebookNode) -> bool:
    """Whether a solution cell still says that it is a gap."""
    return 'raise NotImplementedError("This gap' in cell.source


def few_words(line: str, mistake: str, exercise: str) -> str | None:
    """What the error of a test cell says, in a few words; None if it has none.

    Args:
        line: the first line of the error.
        mistake: the catalogue's name of it, if it is known.
    """
    if not line:
        return None
    if mistake:
        return mistake.removeprefix(f"{exercise}_").replace("_", " ")
    if line == "NotImplementedError" or "not written yet" in line:
        return NOT_WRITTEN
    return line if len(line) <= 90 else f"{line[:87]}..."


def first_line(cell: NotebookNode) -> str:
    """The first line of a test cell's error; empty if it has none."""
    for output in cell.get("outputs", []):
        if output.output_type == "error":
            if "NotImplementedError" in (output.ename, output.evalue):
                return "NotImplementedError"
            return output.evalue.strip().splitlines()[0] if output.evalue.strip() else output.ename
    return ""
