"""What a student gets: a zip with the release, a small environment, and a page that says how to begin."""

import re
import tomllib
import zipfile
from pathlib import Path

from grading import templates
from grading.authoring.check import leaks
from grading.course import notebooks
from grading.course.folder import Course, CourseError

# nbgrader is there for JupyterLab's Validate button; the notebooks themselves do not import it.
PACKAGES = ("jupyterlab", "matplotlib", "nbgrader", "numpy", "plotly", "torch")
WHEN = (1980, 1, 1, 0, 0, 0)  # one date for all files, so that the same release gives the same bytes
GITHUB = re.compile(r"https://github\.com/([\w.-]+)/([\w.-]+?)(?:\.git)?/?")


def handout(course: Course, assignment: str, repository: str | None = None, hub: str | None = None) -> Path:
    """Write `build/handout/<assignment>.zip`: a folder with the release, an environment and START-HERE.html.

    Args:
        repository: where the course is published, `https://github.com/<owner>/<name>`; the page then has links that
            open the notebook on Binder and in Colab with one click.
        hub: the address of the course's JupyterHub, for a link.

    Returns:
        The zip file. The same release and the same options give the same bytes.

    Raises:
        CourseError: the release is missing or shows a solution; a pin is missing; an address is no address.
    """
    course.source(assignment)
    folder = course.root / "release" / assignment
    if not (folder / f"{assignment}.ipynb").is_file():
        raise CourseError(f"{assignment} is not released yet. Run: make release ASSIGNMENT={assignment}")
    faults = leaks(course, assignment)
    if faults:
        raise CourseError("\n".join([f"{assignment} is not handed out, its release shows what is secret:", *faults]))
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".ipynb_checkpoints" not in path.parts
    }
    python, pins = student_pins(course.root / "pyproject.toml")
    data = [name for name in files if name != f"{assignment}.ipynb"]
    files["environment.yml"] = _environment(python, pins).encode()
    files["requirements.txt"] = "".join(f"{pin}\n" for pin in pins).encode()
    files["START-HERE.html"] = _page(course, assignment, data, python, repository, hub).encode()
    path = course.root / "build" / "handout" / f"{assignment}.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:  # not compressed: that differs between zlibs
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(f"{assignment}/{name}", WHEN)
            entry.create_system, entry.external_attr = 3, 0o100644 << 16
            archive.writestr(entry, content)
    return path


def student_pins(pyproject: Path) -> tuple[str, list[str]]:
    """The oldest Python, "3.11", and the pinned requirements of a student, from the course's own.

    Raises:
        CourseError: the file is missing, or does not pin one of the packages.
    """
    try:
        project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    except FileNotFoundError:
        raise CourseError(f"{pyproject}: is missing; it says which versions students need") from None
    pinned = {line.partition("==")[0]: line for line in project["dependencies"]}
    missing = [name for name in PACKAGES if name not in pinned]
    if missing:
        raise CourseError(f"{pyproject}: does not name {', '.join(missing)}, which students need")
    return project["requires-python"].removeprefix(">="), [pinned[name] for name in PACKAGES]


def _environment(python: str, pins: list[str]) -> str:
    lines = ["name: optimization-student", "channels:", "  - conda-forge", "dependencies:"]
    lines += [f"  - python={python}", "  - pip", "  - pip:", *(f"      - {pin}" for pin in pins)]
    return "\n".join(lines) + "\n"


def _page(
    course: Course, assignment: str, data: list[str], python: str, repository: str | None, hub: str | None
) -> str:
    """START-HERE.html."""
    match = GITHUB.fullmatch(repository) if repository else None
    if repository and not match:
        raise CourseError(f"REPOSITORY={repository} should look like https://github.com/<owner>/<name>")
    if hub and not re.match(r"https?://", hub):
        raise CourseError(f"HUB={hub} should be the address of a JupyterHub, https://...")
    notebook = notebooks.read(course.root / "release" / assignment / f"{assignment}.ipynb")
    title = next(cell.source for cell in notebook.cells if cell.cell_type == "markdown").split("\n")[0].lstrip("# ")
    where = f"release/{assignment}/{assignment}.ipynb"
    name = "/".join(match.groups()) if match else None
    return templates.render(
        "START-HERE.html.j2",
        title=title,
        assignment=assignment,
        data=data,
        python=python,
        hub=hub,
        binder=name and f"https://mybinder.org/v2/gh/{name}/HEAD?urlpath=lab/tree/{where}",
        colab=name and f"https://colab.research.google.com/github/{name}/blob/HEAD/{where}",
    )
