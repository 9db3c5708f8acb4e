"""Canvas through its API, by the library `canvasapi`: which course it is, how long to wait, what an error means.

Three variables of the environment say where. They are stored nowhere, and the token is shown nowhere:

    CANVAS_API_URL      https://canvas.uni.example
    CANVAS_API_TOKEN    made in Canvas: Account > Settings > New Access Token
    CANVAS_COURSE       the number in https://canvas.uni.example/courses/<number>

The API: https://developerdocs.instructure.com/services/canvas
"""

import os
import re
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from grading.course import times
from grading.course.class_list import Student, plain
from grading.course.errors import CourseError
from grading.course.folder import Course
from grading.course.safe_text import printed
from grading.lms.plan import SAFE_ID

if TYPE_CHECKING:
    from canvasapi.assignment import Assignment
    from canvasapi.course import Course as CanvasCourse
    from canvasapi.submission import Submission

T = TypeVar("T")
TIMEOUT = (10.0, 60.0)  # seconds until a connection must be made, and between two pieces of an answer
PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)  # seconds, when Canvas asks to wait; its quota refills faster than that
SERVER_TRIES = 3  # of a request that changes nothing, if Canvas answers with an error of its own
LONGEST_PAUSE = 60.0
LOOPBACK = ("localhost", "127.0.0.1", "::1")
POINTS = ("points", "percent", "letter_grade", "gpa_scale")  # Canvas's grading types that take a number of points
INSTALL = "Canvas's API needs the package canvasapi. Run: python -m pip install 'canvasapi>=3.6,<4'"


class CanvasError(CourseError):
    """Canvas refused or could not be reached; the message says what to do.

    Attributes:
        network: it could not be reached.
        token: it does not accept the token.
    """

    def __init__(self, message: str, network: bool = False, token: bool = False) -> None:
        super().__init__(message)
        self.network, self.token = network, token


class _Patient(HTTPAdapter):
    """Waits when Canvas asks to, asks again after an error of the server if that changes nothing, and never hangs."""

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: float | tuple[float | None, float | None] | None = None,
        verify: bool | str = True,
        cert: str | tuple[str, str] | None = None,
        proxies: dict[str, str] | None = None,
    ) -> requests.Response:
        tries = 0
        while True:
            response = super().send(request, stream, timeout or TIMEOUT, verify, cert, proxies)
            again = len(PAUSES) if is_throttled(response) else 0
            if response.status_code >= 500 and request.method == "GET":
                again = SERVER_TRIES - 1
            if tries >= min(again, len(PAUSES)):
                return response
            time.sleep(_pause(response, PAUSES[tries]))
            tries += 1


def is_throttled(response: requests.Response) -> bool:
    """Whether Canvas asks to wait: by 429, or by 403 with a sentence about the rate limit, as it did for years."""
    return response.status_code == 429 or (response.status_code == 403 and "Rate Limit Exceeded" in response.text)


def _pause(response: requests.Response, default: float) -> float:
    try:
        return min(float(response.headers["Retry-After"]), LONGEST_PAUSE)
    except (KeyError, ValueError):
        return default


def connect() -> "CanvasCourse":
    """The course of the environment's variables; the token is tried.

    Raises:
        CanvasError: one of them is missing or wrong, or Canvas cannot be reached.
    """
    try:
        import canvasapi

        from grading.compat.canvasapi import session_of
    except ImportError:
        raise CanvasError(INSTALL) from None
    address, number = _variable("CANVAS_API_URL"), _variable("CANVAS_COURSE")
    address = re.sub(r"/(api/v1)?/*$", "", address)
    parts = urlsplit(address)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise CanvasError("CANVAS_API_URL should be the address of your Canvas, such as https://canvas.uni.example")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise CanvasError("CANVAS_API_URL should begin with https://, or everybody on the way could read the token.")
    if not re.fullmatch(r"[!-~]+", _variable("CANVAS_API_TOKEN")):
        raise CanvasError("CANVAS_API_TOKEN has characters that no token has. Copy it from Canvas again.")
    if not re.fullmatch(r"\d+(~\d+)?", number):
        raise CanvasError(f"CANVAS_COURSE should be the number in {address}/courses/<number>")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Canvas may respond unexpectedly", category=UserWarning)  # loopback
        canvas = canvasapi.Canvas(address, _variable("CANVAS_API_TOKEN"))
    session = session_of(canvas)
    session.mount("https://", _Patient())
    session.mount("http://", _Patient())
    with told(f"course {number} of {parts.hostname}"):
        return canvas.get_course(int(number) if number.isdigit() else number)


def _variable(name: str) -> str:
    value = os.environ.get(name, "").strip()
    if not value:
        raise CanvasError(
            f"{name} is not set. Canvas's API needs CANVAS_API_URL, CANVAS_API_TOKEN and CANVAS_COURSE in the "
            "environment: see docs/running-a-class.md, Canvas through its API."
        )
    return value


@contextmanager
def told(what: str) -> Iterator[None]:
    """Turn whatever Canvas, its library or the network raises into a sentence.

    Args:
        what: what was asked for.

    Raises:
        CanvasError: always instead of another error; it carries neither the token nor what a server sent, unescaped.
    """
    from canvasapi import exceptions as canvas

    try:
        yield
    except CanvasError:
        raise
    except canvas.InvalidAccessToken:
        raise CanvasError(
            f"{what}: Canvas does not accept the token (401). Check CANVAS_API_TOKEN, which may have expired.",
            token=True,
        ) from None
    except canvas.Unauthorized:
        raise CanvasError(f"{what}: Canvas says that the token's owner may not do that (401).") from None
    except canvas.Forbidden as error:
        if isinstance(error, canvas.RateLimitExceeded) or "Rate Limit Exceeded" in str(error):
            raise CanvasError(
                f"{what}: Canvas still asks to wait after {sum(PAUSES):.0f} seconds. Run this again later."
            ) from None
        raise CanvasError(f"{what}: Canvas forbids that (403). The token's owner must be a teacher.") from None
    except canvas.ResourceDoesNotExist:
        raise CanvasError(f"{what}: Canvas does not have that (404), or hides it from the token's owner.") from None
    except canvas.CanvasException as error:
        raise CanvasError(f"{what}: Canvas answered: {printed(str(error), 200)}") from None
    except requests.exceptions.SSLError:
        raise CanvasError(f"{what}: Canvas's certificate cannot be verified.", network=True) from None
    except requests.exceptions.JSONDecodeError:
        raise CanvasError(f"{what}: the answer is none of Canvas's API. Check CANVAS_API_URL.") from None
    except (requests.RequestException, OSError) as error:
        slow = isinstance(error, requests.Timeout)
        raise CanvasError(
            f"{what}: {'Canvas took too long' if slow else 'the connection to Canvas broke'}. Run this again.",
            network=True,
        ) from None
    except (ValueError, KeyError, AttributeError, TypeError):  # canvasapi, of an answer that it does not expect
        raise CanvasError(f"{what}: Canvas's answer is not understood. Check CANVAS_API_URL.") from None


def every(pages: Iterable[T], what: str) -> list[T]:
    """All elements of a list that Canvas gives page by page; after a break it goes on at the same page."""
    for _ in range(SERVER_TRIES - 1):
        try:
            with told(what):
                return list(pages)
        except CanvasError as error:
            if not error.network:
                raise
    with told(what):
        return list(pages)


def assignment(course: Course, canvas: "CanvasCourse", name: str) -> "Assignment":
    """Canvas's assignment: that of `c.Canvas.assignments = {"optimizers": 1234}`, else the one of that name.

    Raises:
        CanvasError: there is none, or there are several.
    """
    known = course.config.Canvas.get("assignments", {})
    if name in known:
        with told(f"assignment {known[name]} (c.Canvas.assignments)"):
            return canvas.get_assignment(known[name])
    found = every(canvas.get_assignments(), "the assignments")
    same = [one for one in found if _spelled(one.name) == _spelled(name)]
    if len(same) == 1:
        return same[0]
    there = ", ".join(f"{one.id} ({printed(one.name, 60)})" for one in same or found) or "none"
    raise CanvasError(
        f"{'More than one' if same else 'No'} assignment in Canvas is called {name}. There: {there}. "
        f'Write which one it is into nbgrader_config.py: c.Canvas.assignments = {{"{name}": <number>}}'
    )


def _spelled(name: str) -> str:
    return re.sub(r"[\W_]+", " ", plain(name)).strip()


@dataclass(frozen=True)
class Submitted:
    """A student's place in an assignment of Canvas's, and what is in it.

    Attributes:
        user: Canvas's number of the user; empty if Canvas hides who it is.
        anonymous: Canvas's anonymous id; empty if it says none.
        name: as Canvas sorts it, "Lovelace, Ada"; empty if it is hidden.
        submitted: when, in UTC without a zone; None if nothing was.
        group: of a group assignment; else empty.
        score: what is in Canvas's gradebook, before a penalty of its own; None if nothing is.
        source: canvasapi's object.
    """

    user: str
    anonymous: str
    name: str
    words: tuple[str, ...]
    attempt: int
    submitted: datetime | None
    group: str
    score: float | None
    source: "Submission"

    @property
    def label(self) -> str:
        """Who it is, as far as Canvas says."""
        number = f"user {self.user}" if self.user else f"anonymous {self.anonymous}"
        return f"{printed(self.name, 80)} ({number})" if self.name else number


@dataclass
class Place:
    """An assignment in Canvas with everybody's submission.

    Attributes:
        assignment: the course's name of it.
        source: canvasapi's object.
        submissions: one for each student.
    """

    assignment: str
    source: "Assignment"
    submissions: list[Submitted] = field(default_factory=list)

    @cached_property
    def grades_groups(self) -> bool:
        """Whether a grade that is given to one member is given to the whole group."""
        individually = getattr(self.source, "grade_group_students_individually", False)
        return bool(getattr(self.source, "group_category_id", None)) and not individually

    @property
    def handed_in(self) -> list[Submitted]:
        """The submissions in which there is something."""
        return [one for one in self.submissions if one.submitted]

    def groups(self) -> dict[str, list[Submitted]]:
        """The members of each group, for a group assignment."""
        found: dict[str, list[Submitted]] = {}
        for one in self.submissions:
            if one.group:
                found.setdefault(one.group, []).append(one)
        return found

    def ids(self, students: dict[str, Student]) -> dict[str, str]:
        """nbgrader's id by Canvas's number of the user, or by the anonymous id; who is not known is not in it.

        A student is found by the `lms_id`; one who has none, by the SIS id, login or e-mail address, then by the name,
        if it is that of one student and one user only. Without a class list each gets the login, SIS id or e-mail
        address as id, or `canvas-<number>`.
        """
        if not students:
            return {one.user: made_up(one) for one in self.submissions if one.user}
        known: dict[tuple[str, str], set[str]] = {}
        for student in students.values():
            keys = {("anonymous", student.anonymous_id(self.assignment)), ("user", student.lms_id)}
            if not student.lms_id:
                keys |= {("word", word.casefold()) for word in (student.id, student.email, student.login)}
                keys |= {("name", plain(n)) for n in (f"{student.last_name}, {student.first_name}", student.name)}
            for key in keys:
                known.setdefault(key, set()).add(student.id)
        found: dict[str, set[str]] = {}
        for one in self.submissions:
            ways = [[("user", one.user)], [("anonymous", one.anonymous)]]
            ways += [[("word", word.casefold()) for word in one.words], [("name", plain(one.name))]]
            there = (set().union(*(known.get(key, set()) for key in way if key[1])) for way in ways)
            found[one.user or one.anonymous] = next(filter(None, there), set())
        claimed = Counter(student for ids in found.values() for student in ids)
        return {key: min(ids) for key, ids in found.items() if len(ids) == 1 and claimed[min(ids)] == 1}

    def students(self) -> list[Student]:
        """What Canvas knows of the class, for a course without a class list."""
        made = []
        for one in self.submissions:
            last, _, first = one.name.partition(", ")
            if one.user:
                user = getattr(one.source, "user", {})
                login, email = str(user.get("login_id") or ""), str(user.get("email") or "")
                made.append(Student(made_up(one), first, last, email, one.user, login))
        return made


def made_up(one: Submitted) -> str:
    """An id for a student who has none."""
    return next((word for word in one.words if SAFE_ID.fullmatch(word)), f"canvas-{one.user}")


def place(course: Course, name: str, comments: bool = False) -> Place:
    """Look up an assignment and everybody's submission.

    Args:
        comments: ask for the comments, too.

    Raises:
        CanvasError: what is missing or wrong.
    """
    canvas = connect()
    found = assignment(course, canvas, name)
    include = ["user", "group", *(["submission_comments"] if comments else [])]
    pages = found.get_submissions(include=include)
    return Place(name, found, [_submitted(one) for one in every(pages, f"the submissions of {name}")])


def _submitted(one: "Submission") -> Submitted:
    user = getattr(one, "user", None) or {}
    words = tuple(str(user[key]).strip() for key in ("login_id", "sis_user_id", "email") if user.get(key))
    group = (getattr(one, "group", None) or {}).get("name") or getattr(one, "group_name", None) or ""
    moment, score = getattr(one, "submitted_at", None), getattr(one, "entered_score", getattr(one, "score", None))
    with told("the submissions"):
        return Submitted(
            str(getattr(one, "user_id", None) or ""),
            str(getattr(one, "anonymous_id", None) or ""),
            str(user.get("sortable_name") or user.get("name") or ""),
            words,
            int(getattr(one, "attempt", None) or 0),
            times.parse(moment) if moment else None,
            str(group),
            None if score is None else float(score),
            one,
        )
