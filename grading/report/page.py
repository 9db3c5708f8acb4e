"""The class at a glance: one HTML page on an assignment for its instructor, `build/report/<assignment>.html`."""

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import numpy as np
from nbformat import NotebookNode

from grading import templates
from grading.course import catalogue, class_list, notebooks, times
from grading.course.errors import CourseError
from grading.course.folder import Course
from grading.gradebook import handed_in, late_penalties, records, scores
from grading.gradebook.records import NEEDS_TORCH, NOT_GRADABLE, Record
from grading.gradebook.scores import Submission
from grading.report import item_analysis, plots, safe_html
from grading.report.people import People

SLOW_CELLS = 12
NOT_COLLECTED = "not collected"


@dataclass
class Item:
    """An exercise or a test: how it went, over all graded students.

    Attributes:
        share: mean share of the points, 0 to 1.
        lost: the students who did not get all points.
        empty: the students who wrote nothing.
        discrimination: see `items.discrimination`.
    """

    name: str
    exercise: str
    full: float
    share: float
    lost: list[str]
    empty: list[str]
    discrimination: float | None
    words: str


@dataclass
class Misconception:
    """A mistake of the catalogue, and who made it."""

    name: str
    exercise: str
    why: str
    students: list[str]


@dataclass
class Unexplained:
    """What a lost test said, where no entry of the catalogue explains it."""

    test: str
    message: str
    students: list[str]


@dataclass
class Attention:
    """A submission that a person should look at, and why."""

    student: str
    what: str
    reasons: list[str]


@dataclass
class Late:
    """A submission that came after the due date.

    Attributes:
        handed_in: when, in the course's zone.
        by: how much too late, in words; an extension is taken into account.
        penalty: the points that it costs.
    """

    student: str
    handed_in: str
    by: str
    penalty: float


@dataclass
class Facts:
    """Everything the page says.

    Attributes:
        totals: points by graded student, after a penalty for being late.
        by_exercise: for each student, the points by exercise.
        cell_seconds: for each cell, the seconds by student; the slowest first.
        tried: how many students handed in an answer; only they count in the item analysis.
        due: when it was due, in the course's zone; empty if there is no due date.
        late: the latest first.
        time_unknown: whose time of submission is not known, if there is a due date.
        refused: submissions that could not be graded, and why.
        missing: who handed in nothing; None if nobody can tell.
        waiting: whose submission is not graded yet.
        answers: how many answers wait for a person, by question.
    """

    assignment: str
    full: float
    totals: dict[str, float]
    by_exercise: dict[str, dict[str, float]]
    exercises: list[Item]
    tests: list[Item]
    misconceptions: list[Misconception]
    unexplained: list[Unexplained]
    attention: list[Attention]
    seconds: dict[str, float]
    cell_seconds: dict[str, dict[str, float]]
    not_isolated: list[str] = field(default_factory=list)
    tried: int = 0
    due: str = ""
    late: list[Late] = field(default_factory=list)
    time_unknown: list[str] = field(default_factory=list)
    refused: list[Attention] = field(default_factory=list)
    missing: list[str] | None = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    answers: dict[str, int] = field(default_factory=dict)


def report(course: Course, assignment: str, anonymous: bool = False, names: bool = False) -> Path:
    """Write the page `build/report/<assignment>.html`, or `<assignment>-anonymous.html`, or `<assignment>-names.html`.

    Args:
        anonymous: no student can be recognized, and there are no links to feedback pages.
        names: students are called by their names in the class list; else by their ids only.

    Raises:
        CourseError: nothing is graded yet, or there is no class list for the names.
    """
    facts = gather(course, assignment)
    if anonymous:  # an LMS puts students' names into the names of files
        for row in facts.refused:
            row.reasons = ["see make collect"] if row.what == NOT_COLLECTED else row.reasons
    people = People(course, _everybody(course, facts), anonymous, names)
    path = course.root / "build" / "report" / f"{assignment}{people.suffix}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_page(course, facts, path, people), encoding="utf-8")
    return path


def gather(course: Course, assignment: str) -> Facts:
    """The facts of an assignment, from the gradebook, the records and the catalogue.

    Raises:
        CourseError: nothing is graded yet.
    """
    notebook = notebooks.read(course.source(assignment))
    tests = {name: own for name, own in notebooks.tests_of(notebook).items() if own}
    counted, asked = notebooks.graded_of(notebook), notebooks.answers_of(notebook)
    known = records.read(course, assignment)
    with course.gradebook() as gradebook:
        everybody = scores.read(gradebook, assignment)
    # nbgrader makes a row of zeros as soon as it begins to grade: only the record says that there was no grade.
    graded = {s: sub for s, sub in everybody.items() if s not in known or known[s].has_grade}
    if not graded and not known:
        raise CourseError(f"Nothing is graded yet for '{assignment}'. Run: make grade ASSIGNMENT={assignment}")
    students = list(graded)
    empty = {s: _empty(known[s]) if s in known else set() for s in students}
    for s in students:
        empty[s] |= {name for name in asked if name in graded[s].cells and graded[s].cells[name].left_empty}
    there = handed_in.overview(course, assignment)
    # Who handed in nothing, or another notebook, tells nothing about how hard a question is.
    tried = [s for s in students if _tried(graded[s], known.get(s), empty[s])]
    totals = np.array([graded[s].raw for s in tried])
    # What nobody has graded yet tells nothing either.
    judged = {e: [s for s in tried if not {*own} & {*graded[s].waiting}] for e, own in counted.items()}
    waiting = Counter(name for sub in graded.values() for name in sub.waiting if name in asked)
    points_of = {name: _points(graded, tried, [name]) for own in counted.values() for name in own}
    known_cells = {name for sub in graded.values() for name in sub.cells}
    return Facts(
        assignment,
        sum(_full(graded, students, name) for name in points_of),
        {s: graded[s].score for s in students},
        {s: {e: _sum(graded[s], own) for e, own in counted.items()} for s in students},
        [
            _item(
                e,
                e,
                _points(graded, judged[e], own),
                sum(_full(graded, students, t) for t in own),
                judged[e],
                np.array([graded[s].raw for s in judged[e]]),
                [s for s in students if own and empty[s] >= set(own)],
            )
            for e, own in counted.items()
        ],
        [
            _item(t, e, points_of[t], _full(graded, students, t), tried, totals, [s for s in students if t in empty[s]])
            for e, own in tests.items()
            for t in own
            if t in known_cells
        ],
        _misconceptions(course, assignment, notebook, known, students),
        _unexplained(known, students),
        _attention(graded, {s: r for s, r in known.items() if r.has_grade}, f"{course.root}/", asked),
        {s: known[s].seconds for s in students if s in known},
        _cell_seconds(known, students),
        sorted(s for s, r in known.items() if not r.isolated),
        len(tried),
        due := late_penalties.due_in_words(course, assignment),
        _late(course, graded),
        sorted(s for s in students if due and graded[s].handed_in is None),
        _attention({}, {s: r for s, r in known.items() if not r.has_grade}, f"{course.root}/")
        + [Attention(s, NOT_COLLECTED, [why]) for s, why in sorted(there.not_collected.items())],
        there.missing,
        there.waiting,
        dict(waiting),
    )


def _everybody(course: Course, facts: Facts) -> set[str]:
    """Every student whom a page or a message on it may name."""
    with course.gradebook() as gradebook:
        known = {student.id for student in gradebook.students}
    refused = {row.student for row in facts.refused}
    return known | refused | {*facts.totals, *facts.waiting, *(facts.missing or ()), *class_list.read(course)}


def _late(course: Course, graded: dict[str, Submission]) -> list[Late]:
    """Who handed in after the due date, the latest first."""
    zone = times.zone_of(course)
    late = sorted((s for s in graded.values() if s.seconds_late), key=lambda s: (-s.seconds_late, s.student))
    return [
        Late(s.student, times.shown(s.handed_in, zone), times.lasting(s.seconds_late), s.penalty)
        for s in late
        if s.handed_in
    ]


def _sum(submission: Submission, tests: list[str]) -> float:
    return sum(submission.cells[test].points for test in tests if test in submission.cells)


def _points(graded: dict[str, Submission], students: list[str], tests: list[str]) -> np.ndarray:
    return np.array([_sum(graded[s], tests) for s in students])


def _full(graded: dict[str, Submission], students: list[str], test: str) -> float:
    return max((graded[s].cells[test].full for s in students if test in graded[s].cells), default=0.0)


def _empty(found: Record) -> set[str]:
    """The tests of gaps that a student left as they were."""
    words = ("still empty", "not written yet", "NotImplementedError")
    return {name for name, test in found.tests.items() if any(w in (test.get("error") or "") for w in words)}


def _tried(submission: Submission, known: Record | None, empty: set[str]) -> bool:
    """Whether anything was handed in: a gap was filled, or a person has given points or has to."""
    cells = submission.cells.values()
    if any(cell.points > 0 or cell.manual is not None or cell.needs_grading for cell in cells):
        return True
    return bool(known.tests.keys() - empty) if known else any(cell.auto is not None for cell in cells)


def _item(
    name: str,
    exercise: str,
    points: np.ndarray,
    full: float,
    students: list[str],
    totals: np.ndarray,
    empty: list[str],
) -> Item:
    lost = [s for s, p in zip(students, points) if p < full]
    share = item_analysis.difficulty(points, full) or 0.0
    correlation = item_analysis.discrimination(points, totals)
    return Item(name, exercise, full, share, lost, empty, correlation, item_analysis.in_words(points, totals, full))


def _misconceptions(
    course: Course, assignment: str, notebook: NotebookNode, records: dict[str, Record], students: list[str]
) -> list[Misconception]:
    """The diagnosed mistakes, most frequent first."""
    entries = {e.name: e for e in catalogue.load(course.root / "mistakes" / f"{assignment}.toml", notebook)}
    who: dict[tuple[str, str], set[str]] = defaultdict(set)
    for student in students:
        for test in records[student].tests.values() if student in records else ():
            if test.get("mistake"):
                who[test["mistake"], test.get("exercise", "")].add(student)
    found = []
    for (name, exercise), made in who.items():
        # An entry that has been renamed since appears under its old name.
        why = entries[name].why if name in entries else name.replace("_", " ")
        found.append(Misconception(name, exercise, why, sorted(made)))
    return sorted(found, key=lambda m: (-len(m.students), m.name))


def _unexplained(records: dict[str, Record], students: list[str]) -> list[Unexplained]:
    """Failed tests without a diagnosis, grouped by message, most frequent first: candidates for the catalogue."""
    who: dict[tuple[str, str], list[str]] = defaultdict(list)
    for student in students:
        if student not in records:
            continue
        found = records[student]
        diagnosed = {test.get("exercise") for test in found.tests.values() if test.get("mistake")}
        for name, test in found.tests.items():
            error = test.get("error") or ""
            if error and name not in _empty(found) and test.get("exercise") not in diagnosed:
                who[name, error].append(student)
    rows = [Unexplained(test, message, made) for (test, message), made in who.items()]
    return sorted(rows, key=lambda row: (-len(row.students), row.test, row.message))


def _fault(words: str) -> str:
    """The message about a broken hidden test; the whole traceback is in the record."""
    test, _, stack = words.partition(": ")
    return f"The hidden test {test} itself failed, so give its points by hand: {stack.strip().splitlines()[-1]}"


def _cheating(suspicions: list[str]) -> list[str]:
    """The same remark about several tests, in one line."""
    tests: dict[str, list[str]] = {}
    for test, _, words in (suspicion.partition(": ") for suspicion in suspicions):
        tests.setdefault(words, []).append(test)
    lead = {NEEDS_TORCH: "An answer to read"}
    return [
        f"{lead.get(words, 'May have tried to cheat')}: {words} ({', '.join(names)})" for words, names in tests.items()
    ]


def _attention(
    graded: dict[str, Submission], records: dict[str, Record], root: str, asked: Container[str] = ()
) -> list[Attention]:
    """Everything that is not plainly graded; files are named as in the course folder.

    Answers to questions, `asked`, are left out: that a person grades them is nothing special.

    A repair that most of the class needs is no student's doing: the release has changed since it was handed out.
    """
    rows = []
    counts = Counter(repair for found in records.values() for repair in set(found.repairs))
    common = {repair for repair, count in counts.items() if count > 3 and count > len(records) / 2}
    for student in sorted({*graded, *records}):
        found = records.get(student)
        reasons = []
        if found is None:
            what = "graded by nbgrader itself"
            reasons.append("There is no record of how grading went. Grade it with make grade to know.")
        else:
            what = found.state_words
            own = [repair for repair in found.repairs if repair not in common]
            if found.state != "graded":
                rest = "; ".join(part for part in found.reason.split("; ") if part not in found.repairs)
                reasons += [*([rest] if rest else []), *own]
            reasons += map(_fault, found.faults)
            reasons += _cheating(found.suspicions)
        waiting = [name for name in graded[student].waiting if name not in asked] if student in graded else []
        if waiting:
            reasons.append(f"To be looked at by hand: {', '.join(waiting)}")
        if reasons:
            rows.append(Attention(student, what, [reason.replace(root, "") for reason in reasons]))
    faulty = {name for name, found in records.items() if found.faults or found.state == NOT_GRADABLE}
    return sorted(rows, key=lambda row: row.student not in faulty)  # what the grader did not manage comes first


def _cell_seconds(records: dict[str, Record], students: list[str]) -> dict[str, dict[str, float]]:
    times: dict[str, dict[str, float]] = defaultdict(dict)
    for student in students:
        for cell, spent in (records[student].cell_seconds if student in records else {}).items():
            times[cell][student] = spent
    slowest = sorted(times, key=lambda cell: -max(times[cell].values()))[:SLOW_CELLS]
    return {cell: times[cell] for cell in slowest}


def _page(course: Course, facts: Facts, path: Path, people: People) -> str:
    def link(student: str) -> str | None:
        """The student's feedback page; None if there is none, or nobody may be recognized."""
        page = course.root / "feedback" / student / facts.assignment / f"{facts.assignment}.html"
        if people.pseudonyms or not page.is_file():
            return None
        return Path(os.path.relpath(page, path.parent)).as_posix()

    totals = np.array(list(facts.totals.values()))
    drawn = _plots(facts, lambda student: escape(people.called(student), quote=False))
    library = plots.library()
    return templates.render(
        "report.html.j2",
        facts=facts,
        anonymous=people.pseudonyms is not None,
        n=len(totals),
        tenths=_tenths(totals, facts.full),
        mean=float(totals.mean()) if len(totals) else 0.0,
        median=float(np.median(totals)) if len(totals) else 0.0,
        quartiles=[float(q) for q in np.quantile(totals, [0, 0.25, 0.5, 0.75, 1])] if len(totals) else [],
        ranking=sorted(facts.totals, key=lambda s: (facts.totals[s], people.called(s))),
        advice=advice(facts),
        called=people.called,
        link=link,
        without_page=[s for s in facts.totals if not link(s)],
        late={late.student: late for late in facts.late},
        text=people.text,
        plot=drawn,
        library=library,
        policy=safe_html.policy([library, *map(plots.script, drawn.values())]),
        median_of=lambda values: float(np.median(list(values))),
        enough=item_analysis.ENOUGH,
    )


def _tenths(totals: np.ndarray, full: float) -> list[int]:
    """How many students are in each tenth of the points; all points and more count to the last."""
    places = np.clip(np.floor(10 * totals / full), 0, 9).astype(int) if full else np.zeros(len(totals), int)
    return np.bincount(places, minlength=10).tolist()


def _plots(facts: Facts, called: Callable[[str], str]) -> dict[str, str]:
    """The plots as HTML, by name; none where there is nothing to show."""
    if not facts.totals:
        return {}
    weakest = sorted(facts.totals, key=lambda s: (facts.totals[s], called(s)))
    separating = [
        (item.name, item.discrimination) for item in facts.exercises + facts.tests if item.discrimination is not None
    ]
    figures = {
        "scores": plots.scores(list(facts.totals.values()), facts.full),
        "exercises": plots.shares([i.name for i in facts.exercises], [i.share for i in facts.exercises], "mean points"),
        "tests": plots.shares(
            [i.name for i in facts.tests],
            [len(i.lost) / max(facts.tried, 1) for i in facts.tests],
            "students who lose points",
        ),
        "students": plots.matrix(
            [called(s) for s in weakest],
            [i.name for i in facts.exercises],
            [[facts.by_exercise[s][i.name] / i.full if i.full else 0.0 for i in facts.exercises] for s in weakest],
        ),
    }
    if separating:
        figures["separation"] = plots.separation([name for name, _ in separating], [value for _, value in separating])
    if facts.cell_seconds:
        figures["seconds"] = plots.seconds(
            list(facts.cell_seconds), [list(times.values()) for times in facts.cell_seconds.values()]
        )
    return {name: plots.html(figure, name) for name, figure in figures.items()}


def advice(facts: Facts) -> list[str]:
    """The most important findings, as sentences."""
    said, n = [], len(facts.totals)
    if facts.refused:
        said.append(f"{len(facts.refused)} submission{_s(facts.refused)} could not be graded.")
    if facts.attention:
        said.append(f"{len(facts.attention)} graded submission{_s(facts.attention)} should be looked at by a person.")
    if facts.answers:
        each = ", ".join(f"{name} {number}" for name, number in facts.answers.items())
        said.append(
            f"Not graded by hand yet, {sum(facts.answers.values())}: {each}. "
            f"Run `make mark ASSIGNMENT={facts.assignment}`."
        )
    if facts.late:
        said.append(
            f"{len(facts.late)} submission{_s(facts.late)} came late, by {facts.late[0].by} at most; "
            f"this costs {sum(late.penalty for late in facts.late):g} points in all."
        )
    if not n:
        return said
    judged = [item for item in facts.exercises if item.name not in facts.answers]
    hardest = min(judged, key=lambda item: item.share, default=None)
    if hardest and hardest.share < 0.999:
        said.append(
            f"The hardest exercise is {hardest.name}: on average {100 * hardest.share:.0f} % of its points; "
            f"{len(hardest.empty)} of {n} wrote nothing."
        )
    if facts.misconceptions and len(facts.misconceptions[0].students) > 1:
        most = facts.misconceptions[0]
        said.append(f"The most frequent mistake: {len(most.students)} of {n} in {most.exercise}. {most.why}")
    repeated = [row for row in facts.unexplained if len(row.students) > 1]
    if repeated:
        said.append(
            f"{len(repeated)} error{_s(repeated)} that no entry of the catalogue explains came from more than one "
            f"student; the first is in {repeated[0].test}, from {len(repeated[0].students)} students."
        )
    odd = [item.name for item in facts.tests if item.discrimination is not None and item.discrimination < 0]
    if odd:
        said.append(f"Weaker students do better than strong ones in {', '.join(odd)}: check what they test.")
    nobody = [item.name for item in facts.tests if item.share == 0]
    if nobody:
        said.append(f"No student passes {', '.join(nobody)}: too hard, not reached, or a wrong test.")
    return said


def _s(things: list) -> str:
    return "s" * (len(things) != 1)
