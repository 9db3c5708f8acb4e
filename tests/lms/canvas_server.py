"""A server that speaks the part of Canvas's API that the course uses, over loopback, with the faults of a network.

As documented at https://developerdocs.instructure.com/services/canvas: Pagination (`Link` headers), Throttling,
Assignments, Submissions, Submission Comments and File Uploads. Files are on another server, as Canvas has them: a
download is redirected there, an upload goes there, and neither may carry the token.
"""

import json
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

TOKEN = "7~secretsecretsecret"
COURSE, ASSIGNMENT = 42, 1234
PAGE = 2  # Canvas gives fewer on a page than it is asked for, too


@dataclass
class Fault:
    """What goes wrong with the next requests: `status` with `text`, or the connection ends within the answer.

    Attributes:
        where: a regular expression for "GET /api/v1/courses/42", for example.
        times: so many requests.
    """

    where: str
    status: int = 0
    text: str = "{}"
    times: int = 1
    headers: dict[str, str] = field(default_factory=dict)


class State:
    """What Canvas knows, and what it was asked."""

    def __init__(self) -> None:
        self.assignments = [
            {"id": 1001, "course_id": COURSE, "name": "Something else", "points_possible": 5.0},
            {"id": 1002, "course_id": COURSE, "name": "A third one", "points_possible": 5.0},
            {
                "id": ASSIGNMENT,
                "course_id": COURSE,
                "name": "Averages",
                "points_possible": 3.0,
                "grading_type": "points",
            },
        ]
        self.submissions: list[dict] = []
        self.files: dict[int, bytes] = {}
        self.faults: list[Fault] = []
        self.asked: list[str] = []
        self.stored: list[str | None] = []  # the Authorization of each request to the server with the files
        self.address = self.storage = ""

    def submit(
        self, user: int, name: str, files: dict[str, bytes], at: str = "2026-11-20T11:00:00Z", **more: object
    ) -> dict:
        """A submission; a file that was added before can be handed in again by its number."""
        attachments = []
        for file, content in files.items():
            number = next((n for n, known in self.files.items() if known is content), 5001 + len(self.files))
            self.files[number] = content
            url = f"{self.address}/files/{number}/download?download_frd=1&verifier=x"
            attachments.append({"id": number, "display_name": file, "filename": file, "size": len(content), "url": url})
        one = {
            "id": 9000 + user,
            "assignment_id": ASSIGNMENT,
            "user_id": user,
            "user": {"id": user, "name": name, "sortable_name": ", ".join(reversed(name.split(" ", 1)))},
            "attempt": 1 if files else None,
            "submitted_at": at if files else None,
            "submission_type": "online_upload" if files else None,
            "workflow_state": "submitted" if files else "unsubmitted",
            "score": None,
            "entered_score": None,
            "excused": False,
            "attachments": attachments,
            "submission_comments": [],
            "group": {"id": None, "name": None},
        }
        self.submissions.append(one | more)
        return self.submissions[-1]

    def count(self, where: str) -> int:
        """How many requests were like this."""
        return sum(re.search(where, line) is not None for line in self.asked)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: State

    def log_message(self, format: str, *arguments: object) -> None:
        pass

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        line = f"{self.command} {self.path}"
        self.state.asked.append(line)
        for fault in self.state.faults:
            if fault.times and re.search(fault.where, line):
                fault.times -= 1
                if fault.status:
                    self.answer(fault.status, fault.text.encode(), fault.headers)
                else:
                    self.answer(200, b"cut", {"Content-Length": "1000"})
                    self.close_connection = True
                return
        self.handle_one(urlsplit(self.path).path, parse_qs(urlsplit(self.path).query), body)

    do_GET = do_PUT = do_POST = _any

    def answer(self, status: int, content: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def json(self, content: object, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.answer(status, json.dumps(content).encode(), {"Content-Type": "application/json", **(headers or {})})

    def handle_one(self, path: str, query: dict[str, list[str]], body: bytes) -> None:
        raise NotImplementedError


class _Api(_Handler):
    """Canvas itself."""

    def handle_one(self, path: str, query: dict[str, list[str]], body: bytes) -> None:
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.json(
                {"errors": [{"message": "Invalid access token."}]},
                401,
                {"WWW-Authenticate": 'Bearer realm="canvas-lms"'},
            )
            return
        course = f"/api/v1/courses/{COURSE}"
        one = f"{course}/assignments/{ASSIGNMENT}"
        form = parse_qs(body.decode("utf-8", "replace"))
        routes: list[tuple[str, str, Callable]] = [
            ("GET", course, lambda: self.json({"id": COURSE, "name": "Optimization"})),
            ("GET", f"{course}/assignments", lambda: self.page(self.state.assignments, path, query)),
            ("GET", rf"{course}/assignments/(\d+)", lambda number: self.assignment(int(number))),
            ("GET", f"{one}/submissions", lambda: self.page(self.state.submissions, path, query)),
            ("PUT", rf"{one}/submissions/(\d+)", lambda user: self.grade(int(user), form)),
            ("POST", rf"{one}/submissions/(\d+)/comments/files", lambda user: self.begin(int(user), form)),
            ("GET", r"/api/v1/files/(\d+)/create_success", lambda number: self.json({"id": int(number), "url": "x"})),
            (
                "GET",
                r"/files/(\d+)/download",
                lambda n: self.answer(302, b"", {"Location": f"{self.state.storage}/stored/{n}"}),
            ),
        ]
        for method, pattern, route in routes:
            match = re.fullmatch(pattern, path)
            if match and method == self.command:
                route(*match.groups())
                return
        self.json({"errors": [{"message": "The specified resource does not exist."}]}, 404)

    def page(self, everything: list[dict], path: str, query: dict[str, list[str]]) -> None:
        number, size = int(query.get("page", ["1"])[0]), min(PAGE, int(query.get("per_page", ["10"])[0]))
        rest = "&".join(f"{key}={value}" for key, values in query.items() if key != "page" for value in values)
        at = f"<{self.state.address}{path}?{rest}&page="
        links = [f'{at}{number}>; rel="current"', f'{at}1>; rel="first"']
        if number * size < len(everything):
            links.append(f'{at}{number + 1}>; rel="next"')
        chosen = everything[(number - 1) * size : number * size]
        include = query.get("include[]", [])
        shown = [
            {k: v for k, v in one.items() if k not in ("user", "group", "submission_comments") or k in include}
            for one in chosen
        ]
        self.json(shown, headers={"Link": ",".join(links)})

    def assignment(self, number: int) -> None:
        found = [one for one in self.state.assignments if one["id"] == number]
        self.json(found[0] if found else {"errors": [{"message": "not found"}]}, 200 if found else 404)

    def grade(self, user: int, form: dict[str, list[str]]) -> None:
        one = next(one for one in self.state.submissions if one["user_id"] == user)
        group = one["group"]["name"] if "group_category_id" in self.state.assignments[-1] else None
        if "submission[posted_grade]" in form:
            for member in [s for s in self.state.submissions if s is one or (group and s["group"]["name"] == group)]:
                member["score"] = member["entered_score"] = float(form["submission[posted_grade]"][0])
        if "comment[text_comment]" in form:
            files = [{"id": int(number)} for number in form.get("comment[file_ids][]", [])]
            text, attempt = form["comment[text_comment]"][0], form.get("comment[attempt]", [None])[0]
            one["submission_comments"].append({"comment": text, "attachments": files, "attempt": attempt})
        self.json({key: value for key, value in one.items() if key not in ("user", "group")})

    def begin(self, user: int, form: dict[str, list[str]]) -> None:
        number = 7001 + self.state.count(r"POST .*/comments/files")
        self.json({"upload_url": f"{self.state.storage}/upload/{number}", "upload_params": {"key": form["name"][0]}})


class _Storage(_Handler):
    """Where the files are."""

    def handle_one(self, path: str, query: dict[str, list[str]], body: bytes) -> None:
        self.state.stored.append(self.headers.get("Authorization"))
        number = int(path.rpartition("/")[2])
        if path.startswith("/stored/"):
            self.answer(200, self.state.files[number])
            return
        message = BytesParser().parsebytes(
            b"Content-Type: " + self.headers["Content-Type"].encode() + b"\r\n\r\n" + body
        )
        parts = {part.get_param("name", header="content-disposition"): part for part in message.get_payload()}
        assert list(parts) == ["key", "file"], "the file comes last"
        self.state.files[number] = parts["file"].get_payload(decode=True)
        self.json({"location": f"{self.state.address}/api/v1/files/{number}/create_success?uuid=x"}, 201)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):  # a client may go away
            super().handle_error(request, client_address)


@contextmanager
def running() -> Iterator[State]:
    """A course that is empty but for its assignments; ends with the block."""
    state, servers = State(), []
    for name, handler in (("address", _Api), ("storage", _Storage)):
        server = _Server(("127.0.0.1", 0), type(handler.__name__, (handler,), {"state": state}))
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        setattr(state, name, f"http://127.0.0.1:{server.server_port}")
        servers.append(server)
    try:
        yield state
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
