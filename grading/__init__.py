"""The instructor's side of the course: releasing, grading, and telling students what went wrong.

Students never need this package. A hidden test uses two names from it:

    from grading import oracle, student

`student` is the only way to a student's code, and `oracle` knows the right answers.
"""

from importlib import import_module


def __getattr__(name: str) -> object:
    # Imported on first use: torch takes seconds, and `make help` or a syntax check needs none of it.
    if name == "student":
        return import_module("grading.oracle.student_code").student
    if name == "oracle":
        return import_module("grading.oracle")
    raise AttributeError(f"module 'grading' has no attribute '{name}'")
