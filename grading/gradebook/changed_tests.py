"""Tests that come, go or change their points after students have handed in.

Once there are submissions, nbgrader refuses to release an assignment whose cells have changed. This module updates its
database first, so that cells that stay keep their grades, manual points and comments.
"""

from nbformat import NotebookNode
from nbgrader import utils
from nbgrader.api import (
    Comment,
    Grade,
    Gradebook,
    GradeCell,
    MissingEntry,
    Notebook,
    SolutionCell,
    SourceCell,
    TaskCell,
)

from grading.course import notebooks
from grading.course.folder import Course


def fit(course: Course, assignment: str) -> list[str]:
    """Update the gradebook's cells from the source notebook, if there are submissions; else nbgrader does it itself.

    Returns:
        What was changed, in words. Removing a test removes its grades: if `removed` names any, copy the gradebook
        first.
    """
    source = notebooks.read(course.source(assignment))
    with course.gradebook() as gradebook:
        notebook = _known(gradebook, assignment)
        if notebook is None or not notebook.submissions:
            return []
        said = []
        for table, names in _wanted(source).items():
            for cell in [cell for cell in _present(notebook, table) if cell.name not in names]:
                if table in (GradeCell, TaskCell):
                    said.append(f"{cell.name} is removed, {cell.max_score:g} points")
                gradebook.db.query(Grade).filter(Grade.cell_id == cell.id).delete()
                gradebook.db.query(Comment).filter(Comment.cell_id == cell.id).delete()
                gradebook.db.delete(cell)
        gradebook.db.commit()
        for table, cells in _wanted(source).items():
            present = {cell.name for cell in _present(notebook, table)}
            for name, cell in cells.items():
                if name not in present:
                    _add(gradebook, notebook, table, name, cell)
                    if table in (GradeCell, TaskCell):
                        said.append(f"{name} is new, {notebooks.points(cell):g} points")
        gradebook.db.commit()
        return said + _weights(notebook, source)


def _known(gradebook: Gradebook, assignment: str) -> Notebook | None:
    try:
        return gradebook.find_notebook(assignment, assignment)
    except MissingEntry:
        return None


def removed(course: Course, assignment: str) -> list[str]:
    """The graded cells that the gradebook has and the source no longer has."""
    wanted = _wanted(notebooks.read(course.source(assignment)))
    with course.gradebook() as gradebook:
        notebook = _known(gradebook, assignment)
        if notebook is None or not notebook.submissions:
            return []
        return [
            cell.name
            for table in (GradeCell, TaskCell)
            for cell in _present(notebook, table)
            if cell.name not in wanted[table]
        ]


def _wanted(source: NotebookNode) -> dict[type, dict[str, NotebookNode]]:
    """The cells of a source notebook as nbgrader's `SaveCells` sorts them."""
    wanted: dict[type, dict[str, NotebookNode]] = {GradeCell: {}, SolutionCell: {}, TaskCell: {}, SourceCell: {}}
    for name, cell in notebooks.by_id(source).items():
        kinds = {GradeCell: utils.is_grade(cell), SolutionCell: utils.is_solution(cell), TaskCell: utils.is_task(cell)}
        for table, is_it in kinds.items():
            if is_it:
                wanted[table][name] = cell
        if any(kinds.values()) or utils.is_locked(cell):
            wanted[SourceCell][name] = cell
    return wanted


def _present(notebook: Notebook, table: type) -> list:
    of = {GradeCell: "grade_cells", SolutionCell: "solution_cells", TaskCell: "task_cells", SourceCell: "source_cells"}
    return list(getattr(notebook, of[table]))


def _add(gradebook: Gradebook, notebook: Notebook, table: type, name: str, cell: NotebookNode) -> None:
    """A new cell, and its place in every submission."""
    where = {"name": name, "notebook": notebook}
    if table is SourceCell:
        # The release fills in text and checksum.
        gradebook.db.add(SourceCell(cell_type=cell.cell_type, locked=utils.is_locked(cell), source="", **where))
        return
    if table is SolutionCell:
        entry = SolutionCell(**where)
    else:
        entry = table(max_score=notebooks.points(cell), cell_type=cell.cell_type, **where)
    gradebook.db.add(entry)
    gradebook.db.flush()
    for submitted in notebook.submissions:
        if table is not SolutionCell:
            gradebook.db.add(Grade(cell_id=entry.id, notebook=submitted, needs_manual_grade=table is TaskCell))
        if table is not GradeCell:
            gradebook.db.add(Comment(cell_id=entry.id, notebook=submitted))


def _weights(notebook: Notebook, source: NotebookNode) -> list[str]:
    """Tests whose points differ; releasing writes the new points."""
    cells = notebooks.by_id(source)
    return [
        f"{cell.name} gives {notebooks.points(cells[cell.name]):g} points instead of {cell.max_score:g}"
        for cell in notebook.grade_cells
        if cell.name in cells and notebooks.points(cells[cell.name]) != cell.max_score
    ]
