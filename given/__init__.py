"""Code that the notebooks give to students: one source for each locked cell, see `grading/authoring/embed.py`."""
