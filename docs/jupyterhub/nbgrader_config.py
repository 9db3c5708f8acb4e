"""For /etc/jupyter/nbgrader_config.py: what everybody's nbgrader has to know, students' and instructors'."""

c = get_config()  # noqa: F821 - traitlets provides it

c.CourseDirectory.course_id = "optimization"
c.Exchange.root = "/srv/nbgrader/exchange"
c.Exchange.path_includes_course = False
