"""Fetch what was handed in to Canvas, as files named as in Canvas's own archive; `make collect` does the rest."""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from grading.course.class_list import plain
from grading.course.errors import CourseError
from grading.course.folder import Course
from grading.course.safe_text import printed
from grading.intake.archive import LARGEST_ALL, LARGEST_FILE, MEGABYTE
from grading.lms import canvas
from grading.lms.canvas import CanvasError, Place, Submitted

if TYPE_CHECKING:
    from canvasapi.file import File as CanvasFile

BREAKS = 3  # so many students after each other for whom Canvas cannot be reached: the rest is left for another run
TRIES = 3  # of a file whose download breaks
FORBIDDEN = re.compile(r'[\x00-\x1f/\\:*?"<>|]+')  # as Canvas replaces them in its archives, and control characters
LONGEST_NAME = 120  # characters of a file's name that are kept, from its end
TYPED = {"online_text_entry": "text", "online_url": "link"}


@dataclass
class Download:
    """What was fetched.

    Attributes:
        folder: the files, named as in Canvas's archive; a submission is there whole or not at all.
        place: whose they are, and when they came.
        left: submissions of which nothing was fetched, and why.
    """

    folder: Path
    place: Place
    left: list[tuple[Submitted, str]] = field(default_factory=list)


def download(course: Course, place: Place, report: Callable[[str], None] = lambda words: None) -> Download:
    """Fetch everybody's last attempt into `downloaded/<assignment>/fetched/`.

    Args:
        report: is called after each of the submissions.

    Raises:
        CourseError: Canvas does not accept the token any more, or nobody has handed in anything.
    """
    if not place.handed_in:
        raise CourseError(f"{place.assignment}: nobody has handed in anything in Canvas yet")
    folder = course.root / "downloaded" / place.assignment / "fetched"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    made, budget = Download(folder, place), LARGEST_ALL
    known: dict[int, Path] = {}  # by Canvas's number of a file: each member of a group has the same one
    broken = 0
    for one in place.handed_in:
        try:
            if broken == BREAKS:
                raise CanvasError(f"not fetched, as Canvas could not be reached {BREAKS} times. Run this again.", True)
            files = _files(one, known, budget)
        except CanvasError as error:
            if error.token:
                raise
            made.left.append((one, str(error)))
            broken = min(broken + 1, BREAKS) if error.network else 0
        else:
            broken = 0
            for name, (number, content) in files.items():
                (folder / name).write_bytes(content)
                known[number] = folder / name
                budget -= len(content)
            if not files:
                made.left.append((one, "is no file: look at it in Canvas"))
        report(one.label)
    return made


def _files(one: Submitted, known: dict[int, Path], budget: int) -> dict[str, tuple[int, bytes]]:
    """The files of one submission, Canvas's number and the content of each, by the name that Canvas's archive has."""
    kind = getattr(one.source, "submission_type", None)
    name = re.sub(r"\W|_", "", plain(one.name)) or "unnamed"
    start = f"{name}_{one.user}" if one.user else f"anon_{one.anonymous}"
    if kind in TYPED:
        text = str(getattr(one.source, "body" if TYPED[kind] == "text" else "url", None) or "")
        return {f"{start}_{TYPED[kind]}.html": (0, text.encode())}
    found = {}
    for file in one.source.attachments:
        shown = str(getattr(file, "display_name", None) or getattr(file, "filename", None) or "unnamed")
        size = int(getattr(file, "size", None) or 0)
        if size > min(LARGEST_FILE, budget):
            raise CanvasError(f"{printed(shown)} has {size // MEGABYTE} MB, more than is fetched")
        here = known.get(file.id)
        content = here.read_bytes() if here else _content(file, f"{printed(shown)} of {one.label}")
        found[f"{start}_{file.id}_{FORBIDDEN.sub('_', shown)[-LONGEST_NAME:]}"] = (file.id, content)
    return found


def _content(file: "CanvasFile", what: str) -> bytes:
    """A file, whole.

    Raises:
        CanvasError: it cannot be fetched, or its size is not what Canvas says.
    """
    if not getattr(file, "url", None):
        raise CanvasError(f"{what}: Canvas gives no address for this file; it may be locked")
    for remaining in reversed(range(TRIES)):
        try:
            with canvas.told(what):
                content: bytes = file.get_contents(binary=True)
        except CanvasError as error:
            if not error.network or not remaining:
                raise
            continue
        size = getattr(file, "size", None)
        if size is None or len(content) == int(size):
            return content
    raise CanvasError(
        f"{what}: {len(content)} bytes came, and Canvas says that it has {size}. Run this again.", network=True
    )
