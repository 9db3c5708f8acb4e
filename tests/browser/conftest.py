"""A real browser, and a real JupyterLab that `make lab` started. Without a browser these tests are skipped."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from grading.course.folder import Course
from tests.conftest import ROOT

# Debian's name, and those on other systems.
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SECONDS = 120  # that anything may take on a busy machine


@pytest.fixture(scope="package")  # not the session: while Playwright runs, no other test can start an event loop
def browser() -> Iterator[Browser]:
    """Debian's chromium, without a window."""
    if CHROMIUM is None:
        pytest.skip("no `chromium` on this machine; on Debian: apt-get install chromium")
    expect.set_options(timeout=SECONDS * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty page of a fresh browser profile, as wide as a laptop's."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(SECONDS * 1000)
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module", params=[1280, 390], ids=["desktop", "phone"])
def opened(request, browser: Browser, written: Path) -> Iterator[tuple[Page, list[str]]]:
    """The page of the module's `written`, and what the browser complained about or asked the network for."""
    context = browser.new_context(viewport={"width": request.param, "height": 800})
    page, complaints = context.new_page(), []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda sent: sent.url.startswith(("file:", "data:", "blob:")) or complaints.append(sent.url))
    page.goto(written.as_uri())
    yield page, complaints
    context.close()


@dataclass
class Lab:
    """A running JupyterLab and the course that it was started in."""

    url: str
    course: Course


@pytest.fixture(scope="package")
def lab(browser: Browser, released: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """`make lab` in a copy of the tiny course, with settings, files and a port of its own."""
    place = tmp_path_factory.mktemp("lab")
    course = Course(Path(shutil.copytree(released, place / "course")))
    settings = {"ServerApp": {"open_browser": False, "port": 0}, "IdentityProvider": {"token": ""}}
    (place / "config").mkdir()
    (place / "config" / "jupyter_server_config.json").write_text(json.dumps(settings), encoding="utf-8")
    # JupyterLab asks at its first start whether to show news; the question would lie over what is to be clicked.
    (place / "config" / "labconfig").mkdir()
    quiet = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    (place / "config" / "labconfig" / "page_config.json").write_text(json.dumps(quiet), encoding="utf-8")
    own = {name: str(place / name.lower()) for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR")}
    log = place / "lab.log"
    with log.open("w", encoding="utf-8") as file:
        server = subprocess.Popen(
            ["make", "--file", str(ROOT / "Makefile"), "lab", f"PYTHON={sys.executable}"],
            cwd=course.root,
            env={**os.environ, **own, "JUPYTER_CONFIG_DIR": str(place / "config")},
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Lab(_url(server, Path(own["JUPYTER_RUNTIME_DIR"]), log), course)
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)
        server.wait(SECONDS)


def _url(server: subprocess.Popen, runtime: Path, log: Path) -> str:
    """Where the server answers, as soon as it says so."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until and server.poll() is None:
        for path in runtime.glob("jpserver-*.json"):
            if text := path.read_text(encoding="utf-8"):
                return json.loads(text)["url"]
        time.sleep(0.1)
    pytest.fail(f"make lab did not start:\n{log.read_text(encoding='utf-8')}")
