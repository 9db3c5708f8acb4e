"""The instructor's side of the course: releasing, grading, and telling students what went wrong.

Students never need this package. A hidden test uses two names from it:

    from grading import oracle, student

`student` is the only way to a student's code, and `oracle` knows the right answers.
"""

import os
import sys
from importlib import import_module

# jsonschema would take two seconds, in every process, to build a grammar of IRIs; no schema of a notebook has one.
sys.modules.setdefault("rfc3987_syntax", None)

# Called as `../env/bin/python`, this Python has a path that is not found in the sandbox, where `..` leads elsewhere.
sys.executable = os.path.abspath(sys.executable)  # noqa: PTH100 - a symbolic link stays: it leads to the environment


def __getattr__(name: str):
    # Imported on first use: torch takes seconds, and `make help` or a syntax check needs none of it.
    if name == "student":
        return import_module("grading.oracle.student_code").student
    if name == "oracle":
        return import_module("grading.oracle")
    raise AttributeError(f"module 'grading' has no attribute '{name}'")
