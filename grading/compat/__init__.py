"""Every private name of another package that the grader's process touches, each with a test in `tests/compat/`.

Those that the processes inside the sandbox touch are in `grading/probe/private.py`. An upgrade that renames one fails
a test that says which.
"""
