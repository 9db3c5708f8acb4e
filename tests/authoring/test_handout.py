"""The zip that a student gets: complete, the same bytes each time, and without a solution."""

import shutil
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner

from grading.authoring import lock
from grading.authoring.handout import handout
from grading.cli.main import main
from grading.course import notebooks
from grading.course.errors import CourseError
from grading.course.folder import Course
from tests.conftest import ROOT

SECRETS = ("len(values)", "oracle", "HIDDEN", "SOLUTION", "[-2.0")  # as in test_release.py


@pytest.fixture(scope="module")
def course(released: Path, tmp_path_factory: pytest.TempPathFactory) -> Course:
    """The tiny course, released, with a data file and the course's real versions."""
    root = Path(shutil.copytree(released, tmp_path_factory.mktemp("handout") / "course"))
    for name in ("pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, root)
    for folder in ("source", "release"):
        (root / folder / "averages" / "data.csv").write_text("1,2\n", encoding="utf-8")
    return Course(root)


@pytest.fixture(scope="module")
def unpacked(course: Course, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder into which a student has unpacked the zip."""
    folder = tmp_path_factory.mktemp("student")
    with zipfile.ZipFile(handout(course, "averages")) as archive:
        archive.extractall(folder)
    return folder / "averages"


def test_the_handout_contains_all_that_a_student_needs_in_one_folder(unpacked):
    names = ["START-HERE.html", "averages.ipynb", "data.csv", "environment.yml", "requirements.txt"]
    assert sorted(path.name for path in unpacked.parent.rglob("*") if path.is_file()) == sorted(names)
    assert (unpacked / "data.csv").read_text(encoding="utf-8") == "1,2\n"


def test_the_notebook_is_the_release_and_no_file_shows_a_solution_or_a_hidden_test(course, unpacked):
    released = course.root / "release" / "averages" / "averages.ipynb"
    assert (unpacked / "averages.ipynb").read_bytes() == released.read_bytes()
    for path in unpacked.iterdir():
        text = path.read_text(encoding="utf-8")
        assert [secret for secret in SECRETS if secret in text] == [], path.name


def test_the_same_release_gives_the_same_bytes(course, tmp_path):
    elsewhere = Course(Path(shutil.copytree(course.root, tmp_path / "elsewhere")))
    for path in (elsewhere.root / "release" / "averages").iterdir():
        path.touch()
        path.chmod(0o600)
    assert handout(elsewhere, "averages").read_bytes() == handout(course, "averages").read_bytes()


def test_the_environments_are_made_from_the_lock(course, unpacked):
    assert (unpacked / "requirements.txt").read_text(encoding="utf-8") == lock.requirements_txt(course)
    assert (unpacked / "environment.yml").read_bytes() == (ROOT / "environment.yml").read_bytes()


class Links(HTMLParser):
    """The targets and the anchors of a page."""

    def __init__(self, page: str):
        super().__init__()
        self.targets, self.anchors = [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.targets += [value for name, value in attributes if name == "href"]
        self.anchors += [f"#{value}" for name, value in attributes if name == "id"]


def test_the_page_names_the_files_and_its_links_lead_somewhere(unpacked):
    page = (unpacked / "START-HERE.html").read_text(encoding="utf-8")
    links = Links(page)
    inner = [target for target in links.targets if target.startswith("#")]
    assert inner and set(inner) <= set(links.anchors)
    assert "jupyter lab averages.ipynb" in page and "<code>data.csv</code>" in page and "<h1>Averages</h1>" in page
    assert "mybinder.org/v2" not in page


def test_a_published_course_gets_links_that_open_the_notebook(course):
    address = "https://github.com/owner/course.git"
    with zipfile.ZipFile(handout(course, "averages", address, "https://hub.example.edu")) as archive:
        links = Links(archive.read("averages/START-HERE.html").decode())
    where = "release/averages/averages.ipynb"
    assert f"https://mybinder.org/v2/gh/owner/course/HEAD?urlpath=lab/tree/{where}" in links.targets
    assert f"https://colab.research.google.com/github/owner/course/blob/HEAD/{where}" in links.targets
    assert "https://hub.example.edu" in links.targets


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"repository": "owner/course"}, "https://github.com/<owner>/<name>"),
        ({"hub": "javascript:alert(1)"}, "the address of a JupyterHub"),
    ],
)
def test_an_invalid_address_is_refused(course, options, words):
    with pytest.raises(CourseError, match=words):
        handout(course, "averages", **options)


def test_a_release_that_shows_a_solution_is_not_handed_out(tiny):
    path = tiny.root / "release" / "averages" / "averages.ipynb"
    notebook = notebooks.read(path)
    notebooks.by_id(notebook)["mean"].source += "\n    return sum(values) / len(values)"
    notebooks.write(notebook, path)
    with pytest.raises(CourseError, match=r"not handed out(.|\n)*mean shows a line of mean"):
        handout(tiny, "averages")
    assert not (tiny.root / "build").exists()


def test_without_a_release_the_message_names_the_next_step(tiny):
    shutil.rmtree(tiny.root / "release")
    with pytest.raises(CourseError, match="make release ASSIGNMENT=averages"):
        handout(tiny, "averages")


def test_without_a_lock_the_message_names_the_next_step(tiny):
    with pytest.raises(CourseError, match="make lock"):
        handout(tiny, "averages")


def test_the_command_writes_one_for_each_assignment(course):
    result = CliRunner().invoke(main, ["--root", str(course.root), "handout"])
    assert result.exit_code == 0, result.output
    assert result.output == f"{course.root / 'build' / 'handout' / 'averages.zip'}: written\n"
