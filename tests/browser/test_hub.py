"""A real JupyterHub with an instructor and students who are users of this machine, set up as docs/jupyterhub.md says.

They are made for this test and deleted after it. It needs root, a Python that other users may run, the proxy from npm
and chromium; where one is missing, it is skipped and says so.
"""

import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.conftest import FORGETS_TO_DIVIDE, RIGHT, ROOT, tiny_source

pytestmark = [pytest.mark.needs_root("only root can start servers for other users"), pytest.mark.slow]

STUDENTS = ("hub-ada", "hub-bob", "hub-cleo")
INSTRUCTOR = "hub-instructor"
SETTINGS = """
c.Exchange.root = "{exchange}"
c.AttemptPolicy.attempts = 2
"""
CONSOLE_SCRIPT = """#!{python}
import sys
from importlib.metadata import entry_points

(found,) = entry_points(group="console_scripts", name="{name}")
sys.exit(found.load()())
"""


def open_python() -> str | None:
    """A Python of the version at hand that every user may run."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for path in (f"/usr/bin/{name}", f"/usr/local/bin/{name}"):
        if Path(path).exists() and Path(path).resolve().stat().st_mode & 0o005:
            return path
    return None


def why_not() -> str | None:
    """Why there can be no hub here."""
    if find_spec("jupyterhub") is None:
        return "JupyterHub is not installed"
    if not shutil.which("configurable-http-proxy"):
        return "no `configurable-http-proxy` on this machine: npm install -g configurable-http-proxy"
    if open_python() is None:
        return "no Python of this version that other users may run"
    if any(not path.stat().st_mode & 0o001 for path in Path(sysconfig.get_path("purelib")).parents):
        return "the folder of this environment is closed to other users"
    return None


class Hub:
    """A hub, its course, and its users, each with the password `pw-<name>`."""

    def __init__(self, folder: Path):
        self.folder, self.course, self.exchange = folder, folder / "course", folder / "exchange"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{free.getsockname()[1]}"
        self.processes: list[subprocess.Popen] = []

    def start(self) -> None:
        for name in (*STUDENTS, INSTRUCTOR):
            subprocess.run(["userdel", "--remove", name], check=False, capture_output=True)
            subprocess.run(["useradd", "--create-home", "--shell", "/bin/bash", name], check=True)
        passwords = "\n".join(f"{name}:pw-{name}" for name in (*STUDENTS, INSTRUCTOR))
        subprocess.run(["chpasswd"], input=passwords, text=True, check=True)
        self.exchange.mkdir(mode=0o777)
        self.exchange.chmod(0o777)
        self._make_student_environment()
        self._make_instructor_environment()
        tiny_source(self.course)
        (self.course / ".venv").symlink_to(self.folder / "instructor")
        with (self.course / "nbgrader_config.py").open("a", encoding="utf-8") as settings:
            settings.write(SETTINGS.format(exchange=self.exchange))
        own = pwd.getpwnam(INSTRUCTOR)
        for path in [self.course, *self.course.rglob("*")]:
            os.chown(path, own.pw_uid, own.pw_gid, follow_symlinks=False)
        for line in (".venv/bin/python -m grading release", ".venv/bin/nbgrader release_assignment averages"):
            self.run(INSTRUCTOR, f"cd {self.course} && PATH=.venv/bin:$PATH {line}")
        environment = {
            "COURSE_FOLDER": str(self.course),
            "STUDENT_ENV": str(self.folder / "student"),
            "COURSE_INSTRUCTORS": INSTRUCTOR,
            "COURSE_WATCHER": INSTRUCTOR,
            "HUB_URL": self.url,
        }
        settings = ROOT / "docs" / "jupyterhub" / "jupyterhub_config.py"
        self._begin([sys.executable, "-m", "jupyterhub", "-f", str(settings)], "hub.log", environment)
        self.wait(lambda: "JupyterHub is now running" in (self.folder / "hub.log").read_text())

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            process.wait(60)
        for name in (*STUDENTS, INSTRUCTOR):
            subprocess.run(["pkill", "-KILL", "-u", name], check=False)
        time.sleep(1)
        for name in (*STUDENTS, INSTRUCTOR):
            subprocess.run(["userdel", "--remove", name], check=False, capture_output=True)

    def run(self, user: str, line: str) -> str:
        done = subprocess.run(["su", user, "-c", line], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def wait(self, condition, seconds: float = 90) -> None:
        give_up = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < give_up, (self.folder / "hub.log").read_text()[-3000:]
            time.sleep(0.1)

    def log_in(self, page: Page, user: str) -> None:
        page.set_default_timeout(90_000)
        page.goto(f"{self.url}/hub/login")
        page.fill("#username_input", user)
        page.fill("#password_input", f"pw-{user}")
        page.click("#login_submit")
        page.wait_for_url(re.compile(f"/user/{user}/lab"))
        page.wait_for_selector("#jp-main-dock-panel")

    def answer(self, student: str, solution: str) -> None:
        """Write a solution into the notebook that a student has fetched, as the student."""
        path = Path(f"/home/{student}/averages/averages.ipynb")
        self.wait(path.exists)
        notebook = json.loads(path.read_text(encoding="utf-8"))
        (cell,) = [c for c in notebook["cells"] if c["metadata"].get("nbgrader", {}).get("grade_id") == "mean"]
        cell["source"] = solution
        path.write_text(json.dumps(notebook), encoding="utf-8")

    def _begin(self, line: list[str], log: str, environment: dict[str, str] | None = None) -> None:
        with (self.folder / log).open("w", encoding="utf-8") as output:
            self.processes.append(
                subprocess.Popen(
                    line,
                    cwd=self.folder,
                    env={**os.environ, **(environment or {})},
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
            )

    def _make_student_environment(self) -> None:
        """The packages of this environment without the course's own, and without what is for instructors."""
        here, there = Path(sys.prefix), self.folder / "student"
        subprocess.run([open_python(), "-m", "venv", "--without-pip", str(there)], check=True)
        packages = Path(sysconfig.get_path("purelib", vars={"base": str(there), "platbase": str(there)}))
        (packages / "packages.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
        for name in ("jupyterhub-singleuser", "jupyter", "nbgrader"):
            self._script(there, name)
        shutil.copytree(here / "etc" / "jupyter", there / "etc" / "jupyter")
        (there / "share").mkdir()
        (there / "share" / "jupyter").symlink_to(here / "share" / "jupyter")
        docs = ROOT / "docs" / "jupyterhub"
        shutil.copy(docs / "student_server.json", there / "etc/jupyter/jupyter_server_config.d/nbgrader.json")
        (there / "etc/jupyter/labconfig").mkdir(exist_ok=True)
        shutil.copy(docs / "student_lab.json", there / "etc/jupyter/labconfig/page_config.json")
        text = (docs / "nbgrader_config.py").read_text(encoding="utf-8")
        text = text.replace("/srv/nbgrader/exchange", str(self.exchange))
        (there / "etc/jupyter/nbgrader_config.py").write_text(text, encoding="utf-8")

    def _make_instructor_environment(self) -> None:
        """A copy of this environment, by links where that can be, for a Python that everybody may run."""
        here, there = Path(sys.prefix), self.folder / "instructor"

        def link(source: str, target: str) -> None:
            try:
                os.link(source, target)
            except OSError:
                shutil.copy2(source, target)

        def scripts(folder: str, names: list[str]) -> set[str]:
            return {"bin"} if Path(folder) == here else set()

        shutil.copytree(here, there, symlinks=True, copy_function=link, ignore=scripts)
        (there / "bin").mkdir()
        for name in ("python", "python3", Path(open_python()).name):
            (there / "bin" / name).symlink_to(open_python())
        (there / "pyvenv.cfg").unlink()
        (there / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n", encoding="utf-8")
        for name in ("jupyterhub-singleuser", "jupyter", "nbgrader", "alembic"):
            self._script(there, name)

    def _script(self, environment: Path, name: str) -> None:
        path = environment / "bin" / name
        path.write_text(CONSOLE_SCRIPT.format(python=environment / "bin" / "python", name=name), encoding="utf-8")
        path.chmod(0o755)


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    if why_not():
        pytest.skip(why_not())
    with tempfile.TemporaryDirectory(prefix="hub-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        made = Hub(Path(folder))
        try:
            made.start()
            yield made
        finally:
            made.stop()


def menu(page: Page) -> list[str]:
    """What nbgrader's menu offers."""
    page.get_by_role("menuitem", name="Nbgrader").click()
    page.wait_for_timeout(500)
    return [item.strip() for item in page.locator(".lm-Menu-itemLabel:visible").all_inner_texts() if item.strip()]


def press(page: Page, name: str) -> None:
    """Press a button of the Assignment List."""
    page.locator("#jp-main-dock-panel .btn:visible", has_text=re.compile(f"^{name}$")).first.click()


def test_students_hand_in_and_read_the_feedback_and_the_instructor_sees_it(hub: Hub, browser: Browser):
    for student, solutions in (("hub-ada", [FORGETS_TO_DIVIDE, RIGHT, RIGHT]), ("hub-bob", [RIGHT])):
        page = browser.new_context().new_page()
        hub.log_in(page, student)
        assert menu(page) == ["Assignment List"], "students see nothing that is for instructors"
        page.locator(".lm-Menu-itemLabel:visible", has_text="Assignment List").click()
        press(page, "Fetch")
        for number, solution in enumerate(solutions, start=1):
            hub.answer(student, solution)
            press(page, "Submit")
            hub.wait(lambda student=student, number=number, page=page: pages_of(student, page) >= number)
        page.context.close()
    first, second, third = feedback_of("hub-ada")
    assert "The sum is not divided by the number of values." in first and "Attempt 1" in first
    assert "3 of 3 points" in second and "last attempt" in second
    assert "this attempt does not count" in third and "all 2 attempts are used up" in third
    page = browser.new_context().new_page()
    hub.log_in(page, INSTRUCTOR)
    assert {"Assignment List", "Formgrader"} <= set(menu(page))
    page.locator(".lm-Menu-itemLabel:visible", has_text="Formgrader").click()
    frame = page.frame_locator("iframe").first
    row = frame.locator("tr", has_text="averages")
    row.wait_for()
    assert re.search(r"\b2\b", row.inner_text()), "two students have handed in"
    page.context.close()


def pages_of(student: str, page: Page) -> int:
    """How many feedback pages a student has, after fetching those that are there."""
    button = page.locator("#jp-main-dock-panel .btn:visible", has_text="Fetch Feedback").first
    page.wait_for_timeout(700)
    if button.is_visible():
        button.click()
        page.wait_for_timeout(1500)
    return len(feedback_of(student))


def feedback_of(student: str) -> list[str]:
    """The feedback pages in a student's home folder, by the time of the attempt."""
    found = sorted(Path(f"/home/{student}/averages").glob("feedback/*/averages.html"))
    return [path.read_text(encoding="utf-8") for path in found]


def test_a_student_reaches_neither_the_course_nor_the_graders_package(hub: Hub):
    line = f"cd /tmp && {hub.folder}/student/bin/python -c 'import grading'"
    denied = subprocess.run(["su", STUDENTS[2], "-c", line], capture_output=True, text=True, check=False)
    assert "ModuleNotFoundError" in denied.stderr
    line = f"ls {hub.exchange}/optimization/feedback"
    denied = subprocess.run(["su", STUDENTS[2], "-c", line], capture_output=True, text=True, check=False)
    assert denied.returncode, "nobody can list the pages of others"
