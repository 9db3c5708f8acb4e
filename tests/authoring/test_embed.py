"""What a notebook embeds: given code, the table of points, the scoreboard's table; and what is folded."""

from nbformat.v4 import new_code_cell, new_markdown_cell

from grading.authoring import embed
from grading.course import notebooks
from tests.conftest import cell, tiny_notebook

POINTS = """<!-- points -->
| Exercise | What it is about | You write | Points |
| --- | --- | --- | --- |
| 1 | the mean | `mean` | 3 |
| | | all | 3 |
<!-- /points -->"""


def with_cells(*cells):
    notebook = tiny_notebook()
    notebook.cells[:0] = cells
    return notebook


def test_an_assignments_own_file_comes_before_the_shared_one(tiny):
    given = cell("", "given", "given_plots")
    (tiny.root / "given" / "averages").mkdir(parents=True)
    (tiny.root / "given" / "plots.py").write_text("shared = 1\n", encoding="utf-8")
    assert embed.file_of(tiny, "averages", given) == tiny.root / "given" / "plots.py"
    (tiny.root / "given" / "averages" / "plots.py").write_text("own = 1\n", encoding="utf-8")
    assert embed.file_of(tiny, "averages", given) == tiny.root / "given" / "averages" / "plots.py"
    assert embed.file_of(tiny, "averages", cell("", "solution", "given_plots")) is None
    assert embed.file_of(tiny, "averages", cell("", "given", "given_other")) is None


def test_the_tables_are_computed_from_the_cells(tiny):
    intro = new_markdown_cell("Before\n\n<!-- points -->\n| stale |\n<!-- /points -->\n\nAfter", id="intro")
    notebook = with_cells(intro, cell("self_check.exercises = {}", "given", "given_exercises"))
    made = embed.assembled(tiny, "averages", notebook)
    assert made.cells[0].source == f"Before\n\n{POINTS}\n\nAfter"
    assert '{"mean": ("mean", {"test_mean": 2, "test_mean_negative": 1})}' in made.cells[1].source
    assert len(embed.differing(tiny, "averages", notebook)) == 2
    assert embed.differing(tiny, "averages", made) == []


def test_written_in_returns_the_name_of_a_class_function_or_variable():
    sources = {"class Adam:\n    pass": "Adam", "import math\n\ndef f():\n    pass": "f", "# TODO\neta = 2": "eta"}
    for source, name in sources.items():
        assert embed.written_in(cell(source, "solution", "exercise")) == name


def test_code_that_students_need_not_read_is_folded_once():
    picture = new_code_cell("plt.plot([1])", metadata={"tags": ["demonstration"]}, id="picture")
    read = new_code_cell("print(1)", metadata={"tags": ["demonstration"]}, id="read")
    notebook = notebooks.normal_form(with_cells(picture, read, cell("x = 1", "given", "given_x")))
    folded = {c.id: c.metadata.get("jupyter", {}).get("source_hidden", False) for c in notebook.cells}
    assert folded == {
        "picture": True,
        "read": False,
        "given-x": True,
        "title": False,
        "heading": False,
        "mean": False,
        "test-mean": True,
        "test-mean-negative": True,
    }
    assert all(c.source.startswith("# @title ") for c in notebook.cells if folded[c.id])
    assert all(c.metadata.cellView == "form" for c in notebook.cells if folded[c.id])
    assert notebooks.normal_form(notebook) == notebook


OPEN = """# @title Self-check: run this cell
with check("mean"), quiet(), warm(3):
    for x in (1, 2):
        expect(mean([x]) == x, "no")
### BEGIN HIDDEN TESTS
left = 1
### END HIDDEN TESTS"""


def test_a_self_check_becomes_a_function(tiny):
    made = embed.closed(OPEN)
    assert made.startswith(
        '# @title Self-check: run this cell\n@self_check("mean")\ndef _():\n    with quiet(), warm(3):\n'
    )
    assert '\n            expect(mean([x]) == x, "no")\n### BEGIN HIDDEN TESTS\n' in made
    compile(made, "<test>", "exec")
    assert embed.closed(made) == made
    faults = embed.differing(tiny, "averages", with_cells(cell(OPEN, "test", "test_mean_open")))
    assert any(fault.startswith("test_mean_open should run its self-check as a function") for fault in faults)


def test_self_checks_use_the_given_names_as_they_were_defined(tiny):
    (tiny.root / "given").mkdir()
    for name in ("early", "checks", "late"):
        (tiny.root / "given" / f"{name}.py").write_text(
            f"import os.path\nfrom given.x import y\nTensor = None\n{embed.MARK}"
            f"import math as m\nA, (B, *C) = 1, (2,)\n\n\ndef {name}():\n    inner = 1\n",
            encoding="utf-8",
        )
    cells = [cell("", "given", f"given_{name}") for name in ("early", "checks", "late")]
    made = embed.assembled(tiny, "averages", with_cells(*cells))
    last = [notebooks.by_id(made)[f"given_{name}"].source.split("\n")[-1] for name in ("early", "checks", "late")]
    assert last == ["    inner = 1", 'keep_apart("os m A B C checks")', 'keep_apart("os m A B C late")']
