"""How fast grading is: measured against stock nbgrader in one run, by stage, and from hand-in to page."""
