"""The handout: a zip with the release, a small environment, and a page that says how to begin."""

import re
import zipfile
from pathlib import Path

from grading import templates
from grading.authoring import lock
from grading.authoring.check import leaks
from grading.course import notebooks
from grading.course.errors import CourseError
from grading.course.folder import Course

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
        CourseError: the release is missing or shows a solution; the lock lacks a package; an address is no address.
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
    data = [name for name in files if name != f"{assignment}.ipynb"]
    files["environment.yml"] = lock.environment_yml(course).encode()
    files["requirements.txt"] = lock.requirements_txt(course).encode()
    files["START-HERE.html"] = _page(course, assignment, data, lock.oldest_python(course), repository, hub).encode()
    path = course.root / "build" / "handout" / f"{assignment}.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:  # not compressed: that differs between zlibs
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(f"{assignment}/{name}", WHEN)
            entry.create_system, entry.external_attr = 3, 0o100644 << 16
            archive.writestr(entry, content)
    return path


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
