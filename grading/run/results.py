"""What a worker gives back: an executed notebook, and all that is saved of it, as plain data.

Whatever needs no gradebook is done where the notebook was executed, so that the one writer only has to write.
"""

import logging
from dataclasses import dataclass, field
from types import SimpleNamespace

from nbconvert.preprocessors import ClearMetadataPreprocessor, Preprocessor
from nbformat import NotebookNode
from nbgrader import utils
from nbgrader.preprocessors import Execute as StockExecute
from nbgrader.preprocessors import IgnorePattern, LimitOutput
from traitlets.config import Config

from grading.authoring.release import quiet_logger
from grading.course import notebooks
from grading.course.safe_text import printed
from grading.execution.execute import Findings
from grading.gradebook.database import AssignLatePenalties, CheckCellMetadata, SaveAutoGrades, preprocess
from grading.gradebook.submission_rows import Scores
from grading.report.table import first_line, is_empty

# The preprocessors after `Execute` that a worker can apply. Others may need the writer's gradebook, or a class that is
# known only in the settings file. Penalties are computed when scores are written.
MOVABLE = (ClearMetadataPreprocessor, IgnorePattern, LimitOutput, SaveAutoGrades, CheckCellMetadata)

_valid_metadata: set[str] = set()  # what this process has found valid


@dataclass
class Executed:
    """An executed notebook to which the preprocessors after `Execute` have not been applied.

    Attributes:
        findings: what else was found.
        isolated: whether the student's code was, if another machine says so; None if that follows from the settings.
    """

    notebook: NotebookNode
    findings: Findings
    isolated: bool | None = None

    @property
    def tests(self) -> dict[str, dict]:
        """See `tests_of`."""
        return tests_of(self.notebook)


@dataclass
class Finished:
    """What is saved of an executed submission.

    Attributes:
        text: the notebook, as the file holds it.
        scores: for the gradebook; None if no preprocessor has determined them.
        tests: see `tests_of`.
        findings, isolated: as in `Executed`.
        files: what preprocessors have made beside it, by name.
    """

    text: str
    scores: Scores | None
    tests: dict[str, dict]
    findings: Findings
    isolated: bool | None = None
    files: dict[str, bytes] = field(default_factory=dict)


def after_execution(preprocessors: list[type[Preprocessor]]) -> list[type[Preprocessor]]:
    """Those that are applied to an executed notebook."""
    return [step for step in preprocessors if not issubclass(step, StockExecute)]


def movable(preprocessors: list[type[Preprocessor]]) -> list[type[Preprocessor]] | None:
    """What a worker applies to an executed notebook; None if the writer has to do it."""
    steps = [step for step in after_execution(preprocessors) if step is not AssignLatePenalties]
    return steps if set(steps) <= set(MOVABLE) else None


def finish(executed: Executed, resources: dict, steps: list[type[Preprocessor]], config: Config) -> Finished:
    """Apply preprocessors to an executed notebook where there is no gradebook; `resources` as nbgrader has them."""
    applied = [step(config=config, log=quiet_logger("autograde", [])) for step in steps]
    return finished(executed, resources, applied, SimpleNamespace(valid_metadata=_valid_metadata))


def finished(executed: Executed, resources: dict, steps: list[Preprocessor], gradebook: object) -> Finished:
    """Apply preprocessors to an executed notebook; those of `grading.gradebook.database` use this gradebook."""
    notebook, resources = preprocess(steps, executed.notebook, resources, gradebook)
    scores, text = resources["nbgrader"].pop("scores", None), notebooks.dumps(notebook)
    files = {**resources.get("outputs", {}), **resources.get("attachments", {})}
    return Finished(text, scores, tests_of(notebook), executed.findings, executed.isolated, files)


def tests_of(notebook: NotebookNode) -> dict[str, dict]:
    """By test cell: the exercise, the points, and the error."""
    cells, found = notebooks.by_id(notebook), {}
    exercises = list(notebooks.tests_of(notebook))
    for name, cell in cells.items():
        if notebooks.kind(cell) == "test":
            told = cell.metadata.get("grading", {})
            points = 0.0 if "fault" in told else utils.determine_grade(cell, logging.getLogger("grading"))[0]
            exercise = notebooks.exercise_of(name, exercises) or ""
            error = f"The hidden test itself failed: {told['fault']}" if "fault" in told else first_line(cell)
            found[name] = {
                "exercise": exercise,
                "points": float(points or 0.0),
                "max": notebooks.points(cell),
                "error": printed(error),
                "mistake": told.get("mistake", ""),
                "empty": exercise in cells and is_empty(cells[exercise]),
            }
    return found
