"""Every fault that is planted in a course is found, all at once, and looking for faults changes nothing."""

import copy
import shutil
import subprocess
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_markdown_cell

from grading.authoring import check, embed
from grading.course import notebooks
from grading.course.errors import CourseError
from grading.course.folder import Course
from tests.conftest import README, cell
from tests.written import MODEL, RUBRIC, with_question


def edit(course: Course, change, normal: bool = True) -> None:
    """Change the source notebook."""
    path = course.source("averages")
    notebook = notebooks.read(path)
    change(notebook, notebooks.by_id(notebook))
    notebooks.write(notebooks.normal_form(notebook) if normal else notebook, path)


def twin(cell: nbformat.NotebookNode) -> nbformat.NotebookNode:
    other = copy.deepcopy(cell)
    other.id = "twin"
    return other


def state_of(root: Path) -> dict:
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in root.rglob("*") if path.is_file()}


def test_a_sound_course_has_no_fault_and_checking_writes_nothing(tiny):
    before, told = state_of(tiny.root), []
    assert check.check(tiny, done=told.append) == []
    assert state_of(tiny.root) == before
    parts = ["source of averages", "solutions of averages", "release of averages", "the course as a whole", "ruff"]
    assert told == parts


def test_faults_of_every_part_are_reported_at_once(tiny):
    edit(tiny, lambda notebook, cells: cells["test_mean"].metadata.nbgrader.update(points=5))
    released = tiny.root / "release" / "averages"
    (released / "old.txt").write_text("", encoding="utf-8")
    (tiny.root / "mistakes" / "averages.toml").write_text("", encoding="utf-8")
    (tiny.root / "code.py").write_text("import os\nx = 'not formatted'\n", encoding="utf-8")
    (tiny.root / "submitted" / "ada").mkdir(parents=True)
    (tiny.root / "submitted" / "ada" / "work.txt").write_text("", encoding="utf-8")
    for command in (["init", "-q"], ["add", "submitted"]):
        subprocess.run(["git", *command], cwd=tiny.root, check=True)
    before = state_of(tiny.root)
    faults = check.check(tiny)
    assert state_of(tiny.root) == before
    for words in (
        "averages.ipynb: the heading above mean says 3 points, its tests give 6",
        "mistakes/averages.toml: is missing or empty",
        "release/averages/averages.ipynb: differs from what the source gives. Run: make release ASSIGNMENT=averages",
        "release/averages/old.txt: does not come from source/; delete it",
        "README.md: the row of averages should say 6 points, as its tests do",
        "class.toml: bob writes mean_forgets_to_divide, which is not in the catalogue",
        "submitted/ada/work.txt: is tracked by git, and student work is private. Run: git rm --cached",
        "ruff check: code.py:1:8: F401",
        "code.py",
    ):
        assert any(words in fault for fault in faults), (words, faults)
    assert any(fault.startswith("ruff format: ") and "code.py" in fault for fault in faults), faults


def test_a_source_that_nbgrader_refuses_is_one_fault_and_the_rest_is_checked(tiny):
    edit(tiny, lambda notebook, cells: notebook.cells.append(twin(cells["test_mean"])))
    (tiny.root / "README.md").write_text("", encoding="utf-8")
    faults = check.check(tiny)
    assert any("the grade_id test_mean occurs 2 times" in fault for fault in faults)
    assert any("nbgrader could not make the release" in fault for fault in faults)
    assert "README.md: the table of notebooks has no row for averages" in faults


def test_a_source_that_is_no_notebook_is_a_fault_and_no_crash(tiny):
    tiny.source("averages").write_text("{", encoding="utf-8")
    faults = check.check(tiny)
    assert any("is not a notebook" in fault for fault in faults)


def test_a_missing_release_is_a_fault(tiny):
    shutil.rmtree(tiny.root / "release")
    assert check.check_release(tiny, "averages") == [
        "release/averages/averages.ipynb: is missing. Run: make release ASSIGNMENT=averages"
    ]


def test_an_unknown_assignment_is_refused(tiny):
    with pytest.raises(CourseError, match="medians"):
        check.check(tiny, "medians")


def rename(name: str):
    return lambda notebook, cells: cells["mean"].metadata.nbgrader.update(grade_id=name)


def set_source(name: str, old: str, new: str):
    return lambda notebook, cells: cells[name].update(source=cells[name].source.replace(old, new))


@pytest.mark.parametrize(
    ("change", "words"),
    {
        "name": (rename("Mean"), "the grade_id 'Mean' should be lower case words joined by _"),
        "no exercise": (rename("median"), "test_mean tests no exercise; it should be test_<exercise>"),
        "no test": (rename("median"), "the exercise median has no test"),
        "given": (
            lambda notebook, cells: notebook.cells.append(cell("import math", "given", "imports")),
            "imports is a locked cell; its grade_id should begin with given_",
        ),
        "twice": (
            lambda notebook, cells: notebook.cells.append(twin(cells["mean"])),
            "the grade_id mean occurs 2 times",
        ),
        "no hidden": (
            lambda notebook, cells: cells["test_mean"].update(source="assert mean([1]) == 1"),
            "test_mean has no hidden test",
        ),
        "no visible": (
            set_source("test_mean_negative", "# Hidden test: negative numbers.\n", ""),
            "test_mean_negative tells a student nothing",
        ),
        "no points": (
            lambda notebook, cells: cells["test_mean"].metadata.nbgrader.update(points=0),
            "test_mean gives no points",
        ),
        "end": (
            lambda notebook, cells: cells["test_mean"].update(source=cells["test_mean"].source + "\nmean([1])"),
            "test_mean should end with ### END HIDDEN TESTS",
        ),
        "hidden not closed": (
            set_source("test_mean", "### END HIDDEN TESTS", ""),
            "test_mean should end with ### END HIDDEN TESTS",
        ),
        "no todo": (set_source("mean", "TODO", "Note"), "mean needs a `# TODO: ...` that says what to write"),
        "no markers": (set_source("mean", "### BEGIN SOLUTION", ""), "and BEGIN/END SOLUTION"),
        "no heading": (
            lambda notebook, cells: notebook.cells.pop(1),
            "the heading above mean says None points, its tests give 3",
        ),
        "heading": (
            lambda notebook, cells: notebook.cells[1].update(source="## Exercise 1: the mean (1 point)"),
            "the heading above mean says 1 points, its tests give 3",
        ),
    }.values(),
)
def test_a_fault_in_the_source_is_found(tiny, change, words):
    edit(tiny, change)
    faults = check.check_source(tiny, "averages")
    assert any(fault.startswith("source/averages/averages.ipynb: ") and words in fault for fault in faults), faults


@pytest.mark.parametrize(
    "change",
    [
        lambda notebook, cells: cells["mean"].update(execution_count=1),
        lambda notebook, cells: cells["mean"].outputs.append(nbformat.v4.new_output("stream", text="3")),
        lambda notebook, cells: notebook.metadata.update(language_info={"name": "python"}),
        lambda notebook, cells: cells["mean"].metadata.update(collapsed=True),
        lambda notebook, cells: cells["mean"].update(source=cells["mean"].source + "  "),
    ],
)
def test_a_notebook_not_in_normal_form_is_reported_with_the_remedy(tiny, change):
    edit(tiny, change, normal=False)
    (fault,) = check.check_source(tiny, "averages")
    assert "is not in normal form" in fault and "Run: make normalize" in fault


def test_files_that_nbgrader_would_hand_out_are_found(tiny):
    folder = tiny.root / "source" / "averages"
    (folder / "lib").mkdir()
    (folder / "lib" / "solution.py").write_text("", encoding="utf-8")
    shutil.copy(folder / "averages.ipynb", folder / "copy.ipynb")
    assert check.check_source(tiny, "averages") == [
        "source/averages: holds more than one notebook; only averages.ipynb belongs there",
        "source/averages/lib/solution.py: nbgrader would hand this out with the release; move it elsewhere",
    ]


def plant(course: Course, change) -> None:
    path = course.root / "release" / "averages" / "averages.ipynb"
    notebook = notebooks.read(path)
    change(notebooks.by_id(notebook))
    notebooks.write(notebook, path)


@pytest.mark.parametrize(
    ("name", "line", "words"),
    [
        ("mean", "    return sum(values) / len(values)", "mean shows a line of mean: return sum(values) / len(values)"),
        (
            "test_mean",
            'oracle.same_number(student.call("mean", [-2.0, -4.0]), -3.0, "mean([-2, -4])")',
            "of test_mean_neg",
        ),
        ("mean", "### BEGIN SOLUTION", "mean shows a line that is not for students: ### BEGIN SOLUTION"),
        ("test_mean", "### END HIDDEN TESTS", "test_mean shows a line that is not for students"),
        ("test_mean", "from grading import oracle", "test_mean shows a line that is not for students"),
    ],
)
def test_a_leak_in_the_release_is_found(tiny, name, line, words):
    assert check.leaks(tiny, "averages") == []
    plant(tiny, lambda cells: cells[name].update(source=f"{cells[name].source}\n{line}"))
    faults = check.leaks(tiny, "averages")
    assert any(fault.startswith("release/averages/averages.ipynb: ") and words in fault for fault in faults), faults


def test_outputs_in_the_release_are_found(tiny):
    plant(tiny, lambda cells: cells["mean"].outputs.append(nbformat.v4.new_output("stream", text="3")))
    assert check.leaks(tiny, "averages") == [
        "release/averages/averages.ipynb: mean has outputs, which may show an answer"
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "is missing or empty"),
        ("[[mistake]]\nname = 'm'\n[[mistake]]\nname = 'n'", "m: lacks why, cell|n: lacks why, cell"),
        ("[[mistake", "averages.toml"),
    ],
)
def test_faults_of_the_catalogue_are_found(tiny, text, words):
    path = tiny.root / "mistakes" / "averages.toml"
    path.unlink() if text is None else path.write_text(text, encoding="utf-8")
    faults = check.check_catalogue(tiny, "averages")
    assert len(faults) == len(words.split("|"))
    assert all(one in fault for one, fault in zip(words.split("|"), faults))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "class.toml: FileNotFoundError"),
        ("", "class.toml: KeyError"),
        ("[[student", "class.toml: TOMLDecodeError"),
        ("[[student]]\nid = 'x'", "class.toml: KeyError"),
        ("[[student]]\nid = 'x'\nanswers = ['unknown']", "x writes unknown, which is not in the catalogue"),
        ("[[student]]\nid = 'x'\nanswers = 'solution'", 'not "solution"'),
        (
            "[[student]]\nid = 'x'\nanswers = ['mean_by_hand', 'mean_drops_the_sign']",
            "x has 2 answers to mean of averages",
        ),
    ],
)
def test_faults_of_the_sample_class_are_found(tiny, text, words):
    path = tiny.root / "mistakes" / "class.toml"
    path.unlink() if text is None else path.write_text(text, encoding="utf-8")
    faults = check.check_class(tiny, ["averages"])
    assert len(faults) == 1 and words in faults[0]


@pytest.mark.parametrize(
    ("readme", "faults"),
    [
        (README, []),
        (README.replace("averages", "[averages](source/averages)"), []),
        (README.replace("3", "13"), ["README.md: the row of averages should say 3 points, as its tests do"]),
        (README.replace("averages", "medians"), ["README.md: the table of notebooks has no row for averages"]),
    ],
)
def test_the_points_in_the_readme_are_compared(tiny, readme, faults):
    (tiny.root / "README.md").write_text(readme, encoding="utf-8")
    assert check.check_readme(tiny, ["averages"]) == faults


def test_a_missing_readme_is_a_fault_and_no_crash(tiny):
    (tiny.root / "README.md").unlink()
    assert len(check.check_readme(tiny, ["averages"])) == 1


def test_given_code_that_differs_from_its_source_is_found(tiny):
    (tiny.root / "given").mkdir()
    (tiny.root / "given" / "helpers.py").write_text(f"import math\n\n{embed.MARK}\nx = math.pi\n", encoding="utf-8")
    edit(tiny, lambda notebook, cells: notebook.cells.append(cell("x = 3", "given", "given_helpers")))
    where = "source/averages/averages.ipynb: given_helpers differs from given/helpers.py. Run: make normalize"
    assert where in check.check_source(tiny, "averages")
    path = tiny.source("averages")
    notebooks.write(embed.assembled(tiny, "averages", notebooks.read(path)), path)
    assert where not in check.check_source(tiny, "averages")
    assert notebooks.by_id(notebooks.read(path))["given_helpers"].source.endswith("\nx = math.pi")


PRIVATE = [
    "submitted/ada/averages/averages.ipynb",
    "autograded/ada/averages/averages.ipynb",
    "feedback/ada/averages/averages.html",
    "records/averages/ada.json",
    "downloaded/averages/archive/all.zip",
    "returned/averages.zip",
    "build/report/averages.html",
    "gradebook.db",
    "gradebook.db.2026-11-20-120000",
    "old/gradebook.db",
    "grades.csv",
    "grades-moodle-averages.csv",
    "students.csv",
]


def test_every_kind_of_private_file_is_found_and_nothing_else(tiny):
    for name in [*PRIVATE, "autograded/.gitkeep", "docs/grades.md"]:
        (tiny.root / name).parent.mkdir(parents=True, exist_ok=True)
        (tiny.root / name).write_text("", encoding="utf-8")
    for command in (["init", "-q"], ["add", "--force", "."]):
        subprocess.run(["git", *command], cwd=tiny.root, check=True)
    assert sorted(fault.split(": is tracked")[0] for fault in check.check_private(tiny)) == sorted(PRIVATE)


def test_gitignore_covers_every_private_file(tiny):
    root = Path(check.__file__).parents[2]
    known = subprocess.run(["git", "check-ignore", "--no-index", *PRIVATE], cwd=root, capture_output=True, text=True)
    ignored = known.stdout.splitlines()
    assert [name for name in PRIVATE if name not in ignored and "/gradebook" not in name] == []


def test_a_solution_that_fails_its_own_test_is_reported(tiny):
    edit(tiny, set_source("test_mean", "4.0", "5.0"))
    (fault,) = check.check_solutions(tiny, "averages")
    assert "averages.ipynb: the solution itself fails test_mean: mean([2, 3, 7]) should be 5" in fault


def test_an_exercise_without_catalogue_entries_is_reported(tiny):
    path = tiny.root / "mistakes" / "averages.toml"
    path.write_text(path.read_text(encoding="utf-8").split("[[right]]")[0], encoding="utf-8")
    (fault,) = check.check_catalogue(tiny, "averages")
    assert "has no right answer to mean in an unusual style" in fault


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[contract.mean]", "[unknown.mean]", "mean_drops_the_sign: it breaks sentence 2, which the contract of mean"),
        ("breaks = 2\n", "", "mean_drops_the_sign does not say which sentence of the contract it `breaks`"),
        (
            "breaks = 2",
            "breaks = 1",
            "no mistake breaks sentence 2 of mean, so no test is known to check it: A neg",
        ),
        ("breaks = 2", "breaks = 3", "mean_drops_the_sign: it breaks sentence 3, which the contract of mean does not"),
    ],
)
def test_sentences_and_mistakes_that_do_not_match_are_reported(tiny, old, new, words):
    path = tiny.root / "mistakes" / "averages.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(old, new), encoding="utf-8")
    assert old in text and words in "\n".join(check.check_catalogue(tiny, "averages"))


def test_an_exercise_without_a_contract_is_reported(tiny):
    path = tiny.root / "mistakes" / "averages.toml"
    lines = path.read_text(encoding="utf-8").splitlines()
    begin = lines.index("[contract.mean]")
    kept = [line for line in lines[:begin] + lines[begin + 3 :] if not line.startswith("breaks")]
    path.write_text("\n".join(kept), encoding="utf-8")
    (fault,) = check.check_catalogue(tiny, "averages")
    assert "mean has no contract; write its promises as [contract.mean]" in fault


def test_without_git_no_file_counts_as_tracked(tiny):
    assert check.check_private(tiny) == []


def test_an_unformatted_file_is_reported_once(tiny):
    (tiny.root / "code.py").write_text("x = [\n  'a',\n  'b',\n]\n", encoding="utf-8")
    (fault,) = check.check_ruff(tiny)
    assert fault.startswith("ruff format: ") and "code.py" in fault


def test_faults_of_a_question_and_of_its_rubric_are_found(tmp_path):
    course = with_question(tmp_path / "course")
    assert [*check.check_source(course, "averages"), *check.check_rubrics(course, "averages")] == []
    edit(course, lambda notebook, cells: cells["why"].update(source="### BEGIN SOLUTION\n### END SOLUTION"))
    edit(course, lambda notebook, cells: cells["why"].metadata.nbgrader.update(points=3))
    rubric = course.root / "rubrics" / "averages.toml"
    rubric.write_text(RUBRIC + '[[mean]]\npoints = 3\ntext = "x"\n', encoding="utf-8")
    said = check.check(course)
    for words in (
        "averages.ipynb: why is empty; write a model answer, which the release replaces",
        "averages.ipynb: the heading above why says 2 points, its answer gives 3",
        "rubrics/averages.toml: the items of why add up to 2 points, the question gives 3",
        "rubrics/averages.toml: mean is not a question that a person grades; those are: why",
        "README.md: the row of averages should say 6 points",
    ):
        assert any(words in fault for fault in said), (words, said)
    rubric.write_text("[[why]", encoding="utf-8")
    assert ["rubrics/averages.toml: cannot be read" in fault for fault in check.check_rubrics(course, "averages")] == [
        True
    ]


CODE_ROW = "| 4 | Code | an answer in words | 2 |"


def test_manually_graded_tasks_and_code_cells_count_as_questions(tmp_path):
    course = with_question(tmp_path / "course")
    task = new_markdown_cell("## Exercise 3: A picture (1 point)\n\nDraw it.", id="picture")
    task.metadata["nbgrader"] = {"grade": False, "grade_id": "picture", "locked": True, "points": 1}
    task.metadata["nbgrader"] |= {"schema_version": 3, "solution": False, "task": True}
    code = cell("1 + 1", "solution", "code")
    code.metadata["nbgrader"] |= {"grade": True, "points": 2}
    heading = new_markdown_cell("## Exercise 4: Code (2 points)", id="heading-code")
    edit(course, lambda notebook, cells: notebook.cells.extend([task, heading, code]))
    assert check.check_source(course, "averages") == []
    rows = embed.points_table(notebooks.read(course.source("averages"))).splitlines()[4:7]
    assert rows == ["| 2 | Why | an answer in words | 2 |", "| 3 | A picture | an answer in words | 1 |", CODE_ROW]
    answered = notebooks.read(course.source("averages"))
    answered.cells[-2:-2] = [new_markdown_cell("My drawing:"), new_markdown_cell("![](x.png)")]
    answers = notebooks.answers_of(answered)
    assert answers == {
        "why": MODEL,
        "picture": "My drawing:\n\n![](x.png)\n\n## Exercise 4: Code (2 points)",
        "code": "1 + 1",
    }
