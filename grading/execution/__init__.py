"""Run a submission: its cells in the student's kernel, its hidden tests here, and name the mistake."""
