"""The course folder: its settings, assignments, notebooks and their cells, catalogue and class list."""
