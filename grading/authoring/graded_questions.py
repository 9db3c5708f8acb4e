"""A question in the text becomes a graded one by a tag on its cell, then `make normalize`.

The tag is `points-2`, or with a name for the answer `points-2-accumulation`.

`make normalize` adds a cell for the student's answer behind the question, which a person grades. The answer that the
question shows (`<details>`) moves there: the release replaces it. To undo this, restore the question with git, or
remove the tag and delete the answer's cell.
"""

import re
from copy import deepcopy

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from grading.course import notebooks

TAG = re.compile(r"points-(?P<points>\d+)(?:-(?P<name>[A-Za-z]\w*))?")
DETAILS = re.compile(r"\s*<details>\s*<summary>.*?</summary>(?P<answer>.*?)</details>\s*", re.DOTALL)
SAID = re.compile(r"\*\*(?P<word>Think|Question)(?: \(\d+ points?\))?(?P<end>[.:])\*\*")
TO_WRITE = "AUTHOR: a model answer, which students do not see"


def answer_cell(name: str, points: int, model: str) -> NotebookNode:
    """A cell for an answer that a person grades. nbgrader replaces all of its text in the release."""
    data = {"grade": True, "grade_id": name, "locked": False, "points": points, "schema_version": 3}
    data |= {"solution": True, "task": False}
    return new_markdown_cell(model, metadata={"nbgrader": data}, id=f"answer-{name.replace('_', '-')}"[:64])


def points_of(cell: NotebookNode) -> int | None:
    """The points that a question is tagged with; None for any other cell."""
    found = _tag(cell)
    return int(found["points"]) if found else None


def name_of(cell: NotebookNode) -> str:
    """The grade_id of the answer to a tagged question: `think_` and the name in the tag, or the id of the cell."""
    found = _tag(cell)
    return _name(found["name"] if found and found["name"] else cell.id)


def _name(text: str) -> str:
    return "think_" + re.sub(r"\W", "_", text).lower().removeprefix("think_")


def _tag(cell: NotebookNode) -> re.Match | None:
    tags = cell.metadata.get("tags", []) if cell.cell_type == "markdown" else []
    return next((match for tag in tags if (match := TAG.fullmatch(tag))), None)


def tagged(notebook: NotebookNode) -> dict[str, int]:
    """The points of each answer to a tagged question, by grade_id."""
    return {name_of(cell): points for cell in notebook.cells if (points := points_of(cell)) is not None}


def expanded(notebook: NotebookNode) -> NotebookNode:
    """A copy with a cell for the answer behind each tagged question; done twice, it changes nothing."""
    made, worth = deepcopy(notebook), tagged(notebook)
    for cell in made.cells:  # a name that was added to the tag later
        if points_of(cell) is not None and (answer := notebooks.by_id(made).get(_name(cell.id))):
            answer.metadata.nbgrader.grade_id = name_of(cell)
    known, cells = notebooks.by_id(made), []
    for cell in made.cells:
        points = points_of(cell)
        cells.append(cell)
        if points is not None:
            found = DETAILS.search(cell.source)
            rest = cell.source[found.end() :].strip() if found else ""
            cell.source = _with_points(cell.source[: found.start()] if found else cell.source, points)
            if name_of(cell) not in known:
                cells.append(answer_cell(name_of(cell), points, found["answer"].strip() if found else TO_WRITE))
            if rest:  # a heading for what comes next, for example
                cells.append(new_markdown_cell(rest, id=f"{cell.id[:56]}-rest"))
        elif (name := notebooks.grade_id(cell) or "") in worth:
            cell.metadata.nbgrader.points = worth[name]
    made.cells = cells
    return made


def _with_points(question: str, points: int) -> str:
    words = f"({points} point{'s' * (points != 1)})"
    if SAID.search(question):
        return SAID.sub(lambda found: f"**{found['word']} {words}{found['end']}**", question, count=1)
    return f"**Question {words}.** {question}"
