"""Long steps say how far they are: lines in a log, a bar on a terminal."""

import os
import pty
import re
import subprocess
import sys

from grading.cli.progress import steps

SCRIPT = """
from grading.cli.progress import steps
with steps("Grading averages", 2) as advance:
    advance("ada graded")
    advance("bob failed")
"""


def test_each_step_is_a_line_with_count_and_time_left(capsys):
    with steps("Grading averages", 3) as advance:
        for student in ("ada", "bob", "cleo"):
            advance(f"{student} graded")
    lines = capsys.readouterr().out.splitlines()
    assert [re.sub(r"\(\d+ a minute\)", "(many a minute)", line) for line in lines] == [
        "Grading averages 1/3 (many a minute): ada graded, about 0 s left",
        "Grading averages 2/3 (many a minute): bob graded, about 0 s left",
        "Grading averages 3/3 (many a minute): cleo graded",
    ]


def test_words_are_printed_as_they_are(capsys):
    with steps("Grading", 1) as advance:
        advance("[bold]x[/bold] " + "long " * 60)
    assert capsys.readouterr().out.endswith(" a minute): [bold]x[/bold] " + "long " * 60 + "\n")


def test_an_error_in_a_step_passes_through():
    try:
        with steps("Grading", 1):
            raise KeyError("x")
    except KeyError:
        return
    raise AssertionError("the error was swallowed")


def test_a_terminal_shows_a_bar():
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    subprocess.run([sys.executable, "-c", SCRIPT], stdout=theirs, env=environment, check=True)
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert "2/2" in shown and "bob failed" in shown and "━" in shown


def test_a_name_that_a_terminal_would_obey_is_shown_as_text(capsys):
    with steps("Grading", 1) as advance:
        advance("\x1b[2J graded")
    assert "\x1b" not in (out := capsys.readouterr().out) and "\\x1b[2J graded" in out
