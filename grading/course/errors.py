"""What every command reports as one sentence, without a traceback."""


class CourseError(Exception):
    """Something about the course folder is wrong; the message says what to do."""
