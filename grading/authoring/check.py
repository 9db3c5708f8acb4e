"""Check the course without writing anything: list every fault that would affect a student or a grade."""

import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import nbformat

from grading.authoring import embed, graded_questions, new_exercise, pictures, sample_class
from grading.authoring.lock import check_lock
from grading.authoring.release import release
from grading.course import catalogue, notebooks, rubrics
from grading.course.errors import CourseError
from grading.course.folder import Course, with_own_gradebook
from grading.execution import rehearsal

NAME = re.compile(r"[a-z][a-z0-9_]*")
HEADING = re.compile(r"^#+ .*\((\d+) points?\)", re.MULTILINE)
PRIVATE = (
    *("submitted", "autograded", "feedback", "records", "downloaded", "returned", "attempts", "build"),
    *(":(glob)**/gradebook.db*", ":(glob)**/grades*.csv", ":(glob)**/students.csv", ":(glob)**/pseudonyms.key"),
)


def check(course: Course, assignment: str | None = None, done: Callable[[str], None] = lambda words: None) -> list[str]:
    """Every fault found, in words; an empty list if there is none.

    Args:
        assignment: only this one; by default all, and then also what concerns the whole course.
        done: called with the name of each part when it has been checked.
    """
    faults: list[str] = []
    chosen = course.chosen(assignment)
    for name in list(chosen):
        faults += check_source(course, name)
        try:
            notebooks.read(course.source(name))
        except notebooks.NotebookError:
            chosen.remove(name)  # that much is reported already
            continue
        faults += check_catalogue(course, name) + check_written(course, name) + check_rubrics(course, name)
        done(f"source of {name}")
        faults += check_solutions(course, name)
        done(f"solutions of {name}")
        faults += check_release(course, name)
        done(f"release of {name}")
    if assignment is None:
        faults += check_readme(course, chosen) + check_private(course)
        faults += check_class(course, chosen) + check_lock(course)
        done("the course as a whole")
    faults += check_ruff(course)
    done("ruff")
    return faults


def check_source(course: Course, assignment: str) -> list[str]:
    """Normal form, grade ids, points, hidden tests, texts of pictures, and files that nbgrader would hand out."""
    path = course.source(assignment)
    try:
        notebook = notebooks.read(path)
    except notebooks.NotebookError as error:
        return [str(error)]
    where, faults = path.relative_to(course.root), []
    faults += [f"{where}: {words}. Run: make normalize" for words in embed.differing(course, assignment, notebook)]
    if path.read_text(encoding="utf-8") != nbformat.writes(notebooks.normal_form(notebook)) + "\n":
        faults.append(f"{where}: is not in normal form (outputs, counts or metadata). Run: make normalize")
    if [other.name for other in path.parent.glob("*.ipynb")] != [path.name]:
        faults.append(f"{where.parent}: holds more than one notebook; only {path.name} belongs there")
    faults += [
        f"{file.relative_to(course.root)}: nbgrader would hand this out with the release; move it elsewhere"
        for file in sorted(path.parent.rglob("*.py"))
    ]
    ids = Counter(notebooks.grade_id(cell) for cell in notebook.cells if notebooks.grade_id(cell))
    faults += [f"{where}: the grade_id {name} occurs {n} times" for name, n in ids.items() if n > 1]
    exercises = notebooks.tests_of(notebook)
    for name, cell in notebooks.by_id(notebook).items():
        kind = notebooks.kind(cell)
        if not NAME.fullmatch(name):
            faults.append(f"{where}: the grade_id {name!r} should be lower case words joined by _")
        elif notebooks.by_hand(cell):
            faults += _check_by_hand(where, name, cell)
        elif kind == "given" and not name.startswith("given_"):
            faults.append(f"{where}: {name} is a locked cell; its grade_id should begin with given_")
        elif kind == "test":
            faults += _check_test(where, name, cell, exercises)
        elif kind == "solution" and ("### BEGIN SOLUTION" not in cell.source or "TODO" not in cell.source):
            faults.append(f"{where}: {name} needs a `# TODO: ...` that says what to write, and BEGIN/END SOLUTION")
    faults += [f"{where}: the exercise {name} has no test" for name, tests in exercises.items() if not tests]
    faults += [f"{where}: {words}" for words in pictures.without_text(notebook)]
    return faults + _check_headings(where, notebook, exercises)


def _check_test(where: Path, name: str, cell: nbformat.NotebookNode, exercises: dict[str, list[str]]) -> list[str]:
    faults = []
    visible, hidden = notebooks.split_hidden(cell.source)
    if not any(name in tests for tests in exercises.values()):
        faults.append(f"{where}: {name} tests no exercise; it should be test_<exercise> or test_<exercise>_<what>")
    if not hidden.strip():
        faults.append(f"{where}: {name} has no hidden test, so a visible answer could be copied into the code")
    if not re.sub(r"^# @title .*", "", visible).strip():
        faults.append(f"{where}: {name} tells a student nothing; say at least what its hidden test looks at")
    if notebooks.points(cell) <= 0:
        faults.append(f"{where}: {name} gives no points")
    if visible.split("### ")[0].rstrip() and cell.source.rstrip().split("\n")[-1].strip() != "### END HIDDEN TESTS":
        faults.append(f"{where}: {name} should end with ### END HIDDEN TESTS")
    return faults


def _check_by_hand(where: Path, name: str, cell: nbformat.NotebookNode) -> list[str]:
    """A question that a person grades gives points, and has a text: the model answer, or of a task what is asked."""
    faults = [] if notebooks.points(cell) > 0 else [f"{where}: {name} gives no points"]
    text = "\n".join(notebooks.solution_lines(cell.source).values()) if "BEGIN SOLUTION" in cell.source else cell.source
    if not text.strip():
        what = "what is asked" if notebooks.kind(cell) == "given" else "a model answer, which the release replaces"
        faults.append(f"{where}: {name} is empty; write {what}")
    return faults


def check_rubrics(course: Course, assignment: str) -> list[str]:
    """The items of a rubric belong to a question that a person grades, and add up to its points."""
    where = f"rubrics/{assignment}.toml"
    try:
        found = rubrics.load(course, assignment)
    except CourseError as error:
        return str(error).splitlines()
    cells = notebooks.by_id(notebooks.read(course.source(assignment)))
    asked = {name: notebooks.points(cell) for name, cell in cells.items() if notebooks.by_hand(cell)}
    faults = []
    for name, items in found.items():
        total = sum(item.points for item in items if item.points > 0)
        if name not in asked:
            known = ", ".join(asked) or "none"
            faults.append(f"{where}: {name} is not a question that a person grades; those are: {known}")
        elif abs(total - asked[name]) > 1e-9:
            faults.append(
                f"{where}: the items of {name} add up to {total:g} points, the question gives {asked[name]:g}"
            )
    return faults


def _check_headings(where: Path, notebook: nbformat.NotebookNode, exercises: dict[str, list[str]]) -> list[str]:
    """The heading above an exercise says its points: "## Exercise 3: Momentum (4 points)"."""
    faults, stated, cells = [], None, notebooks.by_id(notebook)
    counted, asked = notebooks.graded_of(notebook), graded_questions.tagged(notebook)
    for cell in notebook.cells:
        name = notebooks.grade_id(cell) or ""
        if cell.cell_type == "markdown" and (not name or notebooks.kind(cell) == "given"):  # the latter is a task
            found = HEADING.findall(cell.source)
            stated = int(found[-1]) if found else stated
        if name not in asked and (notebooks.by_hand(cell) or name in exercises):
            points = sum(notebooks.points(cells[one]) for one in counted.get(name, ()))
            if stated != points:
                give = "its answer gives" if notebooks.by_hand(cell) else "its tests give"
                faults.append(f"{where}: the heading above {name} says {stated} points, {give} {points:g}")
            stated = None
    return faults


def check_catalogue(course: Course, assignment: str) -> list[str]:
    """Entries that name unknown cells or tests, or whose text is not found."""
    path = course.root / "mistakes" / f"{assignment}.toml"
    where = path.relative_to(course.root)
    try:
        notebook = notebooks.read(course.source(assignment))
        entries = catalogue.load(path, notebook)
    except (catalogue.CatalogueError, notebooks.NotebookError) as error:
        return str(error).splitlines()
    if not entries:
        return [f"{where}: is missing or empty"]
    faults = []
    for exercise in notebooks.tests_of(notebook):
        own = [entry.right for entry in entries if entry.cell == exercise]
        if False not in own:
            faults.append(f"{where}: has no mistake in {exercise}; which wrong answers will students give?")
        if True not in own:
            faults.append(f"{where}: has no right answer to {exercise} in an unusual style; would it pass the tests?")
    return faults + check_contracts(course, assignment, entries)


def check_contracts(course: Course, assignment: str, entries: list[catalogue.Entry]) -> list[str]:
    """Exercises without a contract, mistakes that name no sentence, and sentences that no mistake breaks."""
    path = course.root / "mistakes" / f"{assignment}.toml"
    where, agreed, faults = path.relative_to(course.root), catalogue.contracts(path), []
    for exercise in notebooks.tests_of(notebooks.read(course.source(assignment))):
        if exercise not in agreed:
            faults.append(f"{where}: {exercise} has no contract; write its promises as [contract.{exercise}]")
            continue
        mistakes = [entry for entry in entries if entry.cell == exercise and not entry.right]
        faults += [
            f"{where}: {entry.name} does not say which sentence of the contract it `breaks`"
            for entry in mistakes
            if entry.breaks is None
        ]
        broken = {entry.breaks for entry in mistakes}
        faults += [
            f"{where}: no mistake breaks sentence {number} of {exercise}, so no test is known to check it: {words}"
            for number, words in agreed[exercise].items()
            if number not in broken
        ]
    return faults


def check_written(course: Course, assignment: str) -> list[str]:
    """Placeholders of `make new-exercise` that the author has not replaced."""
    faults = []
    for i, cell in enumerate(notebooks.read(course.source(assignment)).cells):
        if new_exercise.left_to_write(cell.source):
            line = next(line for line in cell.source.split("\n") if new_exercise.left_to_write(line))
            name = notebooks.grade_id(cell) or f"cell {i}"
            faults.append(f"source/{assignment}/{assignment}.ipynb: {name} still waits to be written: {line.strip()}")
    for folder in ("mistakes", "rubrics"):
        path = course.root / folder / f"{assignment}.toml"
        lines = path.read_text(encoding="utf-8").split("\n") if path.is_file() else []
        faults += [
            f"{folder}/{assignment}.toml, line {i}: still waits to be written: {line}"
            for i, line in enumerate(lines, start=1)
            if new_exercise.left_to_write(line)
        ]
    return faults


def check_solutions(course: Course, assignment: str) -> list[str]:
    """The source's own solutions pass all of its tests."""
    verdicts = rehearsal.rehearse(notebooks.read(course.source(assignment)))
    return [
        f"source/{assignment}/{assignment}.ipynb: the solution itself fails {test}: {said.splitlines()[0]}"
        for test, said in verdicts.items()
        if said
    ]


def check_release(course: Course, assignment: str) -> list[str]:
    """The committed release equals the one made from the source, byte by byte, without solutions and hidden tests."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = Course(Path(folder))
        shutil.copy(course.root / "nbgrader_config.py", fresh.root)
        fresh = with_own_gradebook(fresh)
        shutil.copytree(course.root / "source" / assignment, fresh.root / "source" / assignment)
        try:
            made = release(fresh, assignment)
        except CourseError as error:
            return [str(error)]
        faults = _compare_folders(made, course.root / "release" / assignment, course.root, assignment)
    return faults + leaks(course, assignment)


def _compare_folders(made: Path, committed: Path, root: Path, assignment: str) -> list[str]:
    def files(folder: Path) -> set[Path]:
        return {
            file.relative_to(folder)
            for file in folder.rglob("*")
            if file.is_file() and ".ipynb_checkpoints" not in file.parts
        }

    remedy = f"Run: make release ASSIGNMENT={assignment}"
    where = committed.relative_to(root)
    expected, present = files(made), files(committed)
    faults = [f"{where / name}: is missing. {remedy}" for name in sorted(expected - present)]
    faults += [f"{where / name}: does not come from source/; delete it" for name in sorted(present - expected)]
    for name in sorted(expected & present):
        if (made / name).read_bytes() != (committed / name).read_bytes():
            faults.append(f"{where / name}: differs from what the source gives. {remedy}")
    return faults


def leaks(course: Course, assignment: str) -> list[str]:
    """Lines of solutions and hidden tests that a student would find in the release."""
    path = course.root / "release" / assignment / f"{assignment}.ipynb"
    if not path.is_file():
        return []
    released, where = notebooks.read(path), path.relative_to(course.root)
    secret: dict[str, str] = {}
    for name, cell in notebooks.by_id(notebooks.read(course.source(assignment))).items():
        lines = [*notebooks.split_hidden(cell.source)[1].split("\n"), *notebooks.solution_lines(cell.source).values()]
        secret |= {line.strip(): name for line in lines if _telling(line)}
    faults = []
    for i, cell in enumerate(released.cells):
        name = notebooks.grade_id(cell) or f"cell {i}"
        for line in cell.source.split("\n"):
            if line.strip() in secret:
                faults.append(f"{where}: {name} shows a line of {secret[line.strip()]}: {line.strip()}")
            if any(marker in line for marker in ("BEGIN SOLUTION", "HIDDEN TESTS", "from grading")):
                faults.append(f"{where}: {name} shows a line that is not for students: {line.strip()}")
        if cell.get("outputs"):
            faults.append(f"{where}: {name} has outputs, which may show an answer")
    return faults


def _telling(line: str) -> bool:
    """True for a line that would give something away; short and common lines occur everywhere."""
    line = line.strip()
    return len(line) >= 24 and not line.startswith(("#", "for ", "import ")) and any(c in line for c in "=*+-/(")


def check_readme(course: Course, assignments: list[str]) -> list[str]:
    """The points in the README's table of notebooks are those of the test cells."""
    path = course.root / "README.md"
    if not path.is_file():
        return ["README.md: is missing; its table of notebooks should name every assignment and its points"]
    text, faults = path.read_text(encoding="utf-8"), []
    for name in assignments:
        cells = notebooks.read(course.source(name)).cells
        points = sum(notebooks.points(cell) for cell in cells)
        row = re.search(rf"^\|[^|\n]*\b{re.escape(name)}\b[^|\n]*\|([^\n]*)", text, re.MULTILINE)
        if row is None:
            faults.append(f"README.md: the table of notebooks has no row for {name}")
        elif not re.search(rf"\|\s*{points:g}\s*\|", "|" + row.group(1)):
            faults.append(f"README.md: the row of {name} should say {points:g} points, as its tests do")
    return faults


def check_class(course: Course, assignments: list[str]) -> list[str]:
    """The sample class writes only answers that the catalogue has, and one to an exercise."""
    path = course.root / "mistakes" / "class.toml"
    try:
        students = sample_class.load_class(path)
        cells = {
            entry.name: (name, entry.cell)
            for name in assignments
            for entry in catalogue.load(course.root / "mistakes" / f"{name}.toml", notebooks.read(course.source(name)))
        }
    except (OSError, KeyError, tomllib.TOMLDecodeError, catalogue.CatalogueError) as error:
        return [f"mistakes/class.toml: {type(error).__name__}: {error}"]
    faults = []
    for student in students:
        where = f"mistakes/class.toml: {student.id}"
        if isinstance(student.answers, str):
            if student.answers not in ("solutions", "nothing"):
                faults.append(f'{where}: answers should be "solutions", "nothing" or a list, not "{student.answers}"')
            continue
        faults += [f"{where} writes {a}, which is not in the catalogue" for a in student.answers if a not in cells]
        count = Counter(cells[answer] for answer in student.answers if answer in cells)
        faults += [f"{where} has {n} answers to {cell} of {name}" for (name, cell), n in count.items() if n > 1]
    return faults


def check_private(course: Course) -> list[str]:
    """No student's work, grade or report is tracked by git."""
    result = subprocess.run(
        ["git", "ls-files", "--", *PRIVATE], cwd=course.root, capture_output=True, text=True, check=False
    )
    return [
        f"{name}: is tracked by git, and student work is private. Run: git rm --cached {name}"
        for name in result.stdout.splitlines()
        if not name.endswith(".gitkeep")
    ]


def check_ruff(course: Course) -> list[str]:
    """ruff's complaints about code and notebooks, and about their format."""
    faults = []
    for arguments, remedy in ((["check"], ""), (["format", "--check"], ". Run: make format")):
        result = subprocess.run(
            [sys.executable, "-m", "ruff", *arguments, "--quiet", "--no-cache", "--output-format=concise", "."],
            cwd=course.root,
            capture_output=True,
            text=True,
            check=False,
        )
        lines = [line for line in (result.stdout + result.stderr).splitlines() if line.strip()]
        faults += [f"ruff {arguments[0]}: {line}{remedy}" for line in lines]
        if result.returncode and not lines:
            faults.append(f"ruff {arguments[0]} failed. Run: make format")
    return faults
