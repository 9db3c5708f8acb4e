"""The course's nbgrader settings. Every nbgrader command, formgrader and `make` read this file."""

import os
import warnings
from pathlib import Path

from nbconvert.preprocessors import ClearMetadataPreprocessor, CSSHTMLHeaderPreprocessor
from nbgrader.preprocessors import (
    ClearOutput,
    DeduplicateIds,
    IgnorePattern,
    LimitOutput,
)

import grading
from grading.compat.process import find_alembic
from grading.execution.execute import Execute
from grading.gradebook.database import (
    AssignLatePenalties,
    CheckCellMetadata,
    OverwriteCells,
    OverwriteKernelspec,
    SaveAutoGrades,
)
from grading.gradebook.late_penalties import LatePolicy
from grading.intake.restore import Restore
from grading.report.feedback import Grades, HidePaths, HideTests, Summary
from grading.report.rendering import FeedbackExporter
from grading.report.safe_html import clean

# nbgrader links new rows to each other before it adds them to the session, and SQLAlchemy 2 warns each time.
warnings.filterwarnings("ignore", message=r"Object of type <\w+> not in session, add operation")

find_alembic()
c = get_config()  # noqa: F821 - traitlets provides it

c.CourseDirectory.course_id = "optimization"
c.CourseDirectory.ignore = [".ipynb_checkpoints", "*.pyc", "__pycache__"]

# A gap says what to do, also when a student runs it.
c.ClearSolutions.code_stub = {
    "python": '# YOUR CODE HERE\nraise NotImplementedError("This gap is still empty: do what the TODO above says.")'
}

# Repair the notebook's structure before nbgrader reads it.
c.Autograde.sanitize_preprocessors = [
    Restore,
    ClearOutput,
    DeduplicateIds,
    OverwriteKernelspec,
    OverwriteCells,
    CheckCellMetadata,
]

# Restore deleted test cells: they decide the points.
c.OverwriteCells.add_missing_cells = True

# Hidden tests run in the grader's process, see grading/execution/execute.py.
c.Autograde.autograde_preprocessors = [
    Execute,
    IgnorePattern,
    ClearMetadataPreprocessor,
    LimitOutput,
    SaveAutoGrades,
    AssignLatePenalties,
    CheckCellMetadata,
]
c.Execute.timeout = 60
c.Execute.sandbox = "none" if os.environ.get("SANDBOX") == "none" else "bwrap"
c.Execute.warm = os.environ.get("WARM") != "no"

# The late penalty, for example "10 % a day, at most 50 %, 15 minutes free". Extensions are in students.csv.
c.AssignLatePenalties.plugin_class = LatePolicy
c.LatePolicy.rule = "none"
c.LatePolicy.timezone = "UTC"  # the IANA name of your zone, such as "Europe/Berlin", for times without an offset
c.LatePolicy.due = {}  # for example {"optimizers": "2026-11-20 23:59"}; or set it in formgrader, which shows UTC

# Canvas's number of each assignment, for example {"optimizers": 1234}. Without a number, the name is used.
c.Canvas.assignments = {}

# How many attempts count for `make watch`, which of them, and what feedback shows before and after the due date:
# "points", "mistakes" (points and the named mistake) or "everything". 0 means any number.
c.AttemptPolicy.attempts = 0
c.AttemptPolicy.per_day = 20
c.AttemptPolicy.pause = 0  # minutes after an attempt until the next one counts
c.AttemptPolicy.counts = "last"  # or "best"
c.AttemptPolicy.before_due = "everything"
c.AttemptPolicy.after_due = "everything"

# Feedback pages are for students: they contain no hidden tests.
c.GenerateFeedback.exporter_class = FeedbackExporter
c.GenerateFeedback.preprocessors = [Grades, HideTests, HidePaths, Summary, CSSHTMLHeaderPreprocessor]
c.GenerateFeedback.HTMLExporter.template_name = "course_feedback"
c.GenerateFeedback.HTMLExporter.extra_template_basedirs = [str(Path(grading.__file__).parent / "templates")]

# Formgrader shows what students wrote in a page that has your cookies: no script of theirs runs there.
c.HTMLExporter.sanitize_html = True
c.HTMLExporter.filters = {"clean_html": clean}

# Formgrader's configuration panel cannot show the classes above, and would be empty.
c.FormgradeExtension.debug = False
