"""The notebooks as a student and an instructor run them: in a real kernel, from top to bottom."""

import re

import pytest
from nbclient import NotebookClient

from grading.course import notebooks
from grading.course.folder import Course
from grading.execution.rehearsal import definitions, rehearse
from tests.conftest import ROOT

ASSIGNMENTS = Course(ROOT).assignments


def run(notebook, folder, allow_errors):
    """Execute every cell; with errors allowed, all of them run."""
    client = NotebookClient(
        notebook,
        timeout=120,
        kernel_name="python3",
        allow_errors=allow_errors,
        resources={"metadata": {"path": str(folder)}},
    )
    with client.setup_kernel():
        for index, cell in enumerate(notebook.cells):
            client.execute_cell(cell, index)
            if any(output.output_type == "error" for output in cell.get("outputs", [])) and not allow_errors:
                return cell
    return None


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_the_solved_notebook_runs_without_an_error_or_a_word_on_stderr(assignment):
    path = Course(ROOT).source(assignment)
    notebook = notebooks.read(path)
    run(notebook, path.parent, allow_errors=True)
    complaints = [
        (notebooks.grade_id(cell) or index, output.get("evalue") or output.get("text"))
        for index, cell in enumerate(notebook.cells)
        for output in cell.get("outputs", [])
        if output.output_type == "error" or output.get("name") == "stderr"
    ]
    assert complaints == []


@pytest.mark.parametrize(
    "assignment", [pytest.param(name, marks=[] if name == "mini-torch" else [pytest.mark.slow]) for name in ASSIGNMENTS]
)
def test_the_release_stops_at_the_first_gap_with_a_clear_message(assignment):
    path = ROOT / "release" / assignment / f"{assignment}.ipynb"
    notebook = notebooks.read(path)
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(path.parent)}})
    with client.setup_kernel():
        for index, cell in enumerate(notebook.cells):
            try:
                client.execute_cell(cell, index)
            except Exception:
                break
    errors = [output for output in cell.outputs if output.output_type == "error"]
    first = next(name for name, tests in notebooks.tests_of(notebook).items() if tests)
    assert notebooks.grade_id(cell) in (first, notebooks.tests_of(notebook)[first][0])
    said = errors[0].evalue
    assert "not written yet" in said or "still empty" in said


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_the_reference_solutions_pass_every_test(assignment):
    verdicts = rehearse(notebooks.read(Course(ROOT).source(assignment)))
    assert {name: failure for name, failure in verdicts.items() if failure} == {}


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_the_untouched_release_passes_no_test(assignment):
    source = notebooks.read(Course(ROOT).source(assignment))
    released = notebooks.by_id(notebooks.read(ROOT / "release" / assignment / f"{assignment}.ipynb"))
    gaps = {name: cell.source for name, cell in released.items() if notebooks.kind(cell) == "solution"}
    assert [name for name, failure in rehearse(source, gaps, hidden_only=True).items() if failure is None] == []


def lines_of(cells):
    return sum(1 for cell in cells for line in cell.source.splitlines() if line.strip())


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_code_that_a_student_need_not_read_is_mostly_folded(assignment):
    code = [
        cell
        for cell in notebooks.read(ROOT / "release" / assignment / f"{assignment}.ipynb").cells
        if cell.cell_type == "code"
    ]
    visible = [cell for cell in code if not cell.metadata.get("jupyter", {}).get("source_hidden")]
    given = [cell for cell in visible if notebooks.kind(cell) != "solution"]
    assert 0 < lines_of(given) < 0.15 * lines_of(code)


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_student_visible_code_needs_only_the_four_packages(assignment):
    allowed = {"numpy", "matplotlib", "plotly", "torch", "IPython"}
    import ast
    import sys

    for cell in notebooks.read(ROOT / "release" / assignment / f"{assignment}.ipynb").cells:
        if cell.cell_type == "code":
            for node in ast.walk(ast.parse(cell.source.replace("%matplotlib inline", ""))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module] if isinstance(node, ast.ImportFrom) else []
                for name in names:
                    top = name.partition(".")[0]
                    assert top in allowed or top in sys.stdlib_module_names, f"{name} is imported"


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_the_scoreboard_knows_every_check_and_its_points(assignment):
    source = notebooks.read(Course(ROOT).source(assignment))
    names, _ = definitions(source)
    table, cells = names["self_check"].exercises, notebooks.by_id(source)
    for exercise, tests in notebooks.tests_of(source).items():
        written, points = table[exercise]
        assert written in names
        checks = {re.search(r'check\("(.+?)"', cells[test].source).group(1): test for test in tests}
        assert points == {check: notebooks.points(cells[test]) for check, test in checks.items()}
    assert list(table) == list(notebooks.tests_of(source))
    assert any(cell.source.rstrip().endswith("scoreboard()") for cell in source.cells)


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_run_all_above_continues_after_an_empty_answer(assignment):
    # A gap in a class or a function raises when it is called; a gap in an answer raises when its cell is run.
    notebook = notebooks.read(ROOT / "release" / assignment / f"{assignment}.ipynb")
    cells = notebooks.by_id(notebook)
    for name, tests in notebooks.tests_of(notebook).items():
        if not re.search(r"^(class|def) ", cells[name].source, re.MULTILINE):
            for place in (name, *tests):
                assert "raises-exception" in cells[place].metadata.get("tags", []), f"{place} would stop Run All Above"
