"""Run a submission: cells in the student's kernel, hidden tests in the grader's process; name the mistake."""
