"""The lock, `requirements.lock`, and the students' environments that are made from it.

`make lock` lets uv resolve pyproject.toml for every system and Python at once. The result is a constraints file for
pip: each package that an installation may need, down to the last one that another needs, with its version.
"""

import tomllib
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from grading.course.errors import CourseError
from grading.course.folder import Course

LOCK = "requirements.lock"
CPU_WHEELS = "https://download.pytorch.org/whl/cpu"

# conda-forge's name and, where builds differ, the build. matplotlib-base is matplotlib without a window toolkit.
CONDA = {"matplotlib": ("matplotlib-base", ""), "torch": ("pytorch", "cpu*")}


def read_lock(course: Course) -> dict[str, list[Requirement]]:
    """The pins by package name; there are several where the version depends on Python or the system.

    Raises:
        CourseError: the lock is missing, or a line of it is no pin.
    """
    path = course.root / LOCK
    if not path.is_file():
        raise CourseError(f"{path}: is missing; it holds the versions of all packages. Run: make lock")
    pins: dict[str, list[Requirement]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        try:
            pin = Requirement(text)
        except InvalidRequirement:
            raise CourseError(f"{path}, line {number}: should be like numpy==2.4.6, and is: {text}") from None
        if [specifier.operator for specifier in pin.specifier] != ["=="]:
            raise CourseError(f"{path}, line {number}: should pin one version, like numpy==2.4.6, and is: {text}")
        pins.setdefault(canonicalize_name(pin.name), []).append(pin)
    return pins


def requirements_txt(course: Course) -> str:
    """The student's requirements.txt: versions from the lock, and the index of PyTorch's CPU wheels.

    Raises:
        CourseError: the lock or pyproject.toml is missing, or lacks one of the student's packages.
    """
    pins = [f"{pin}\n" for found in _student_pins(course).values() for pin in found]
    return (
        "# pip install -r requirements.txt\n"
        "# PyTorch's own index has wheels without CUDA, which takes several GB on Linux.\n"
        f"--extra-index-url {CPU_WHEELS}\n"
    ) + "".join(pins)


def environment_yml(course: Course) -> str:
    """A student's conda environment: from conda-forge, without CUDA. Patch releases are free: conda-forge skips some.

    Raises:
        CourseError: as `requirements_txt`.
    """
    student, python = _student_pins(course), oldest_python(course)
    lines = [
        "# What students need, without CUDA; Binder builds it, too. `make lock` writes this file: do not edit it.",
        "#   conda env create -f environment.yml",
        "#   conda activate optimization-course",
        "#   jupyter lab",
        "name: optimization-course",
        "channels:",
        "  - conda-forge",
        "dependencies:",
        f"  - python={python}",
    ]
    for package, pins in student.items():
        system = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
        pin = next(pin for pin in pins if pin.marker is None or pin.marker.evaluate(system))
        conda, build = CONDA.get(package, (package, ""))
        minor = ".".join(_version(pin).split(".")[:2])
        lines.append(f"  - {conda}={minor}.*={build}" if build else f"  - {conda}={minor}")
    return "\n".join(lines) + "\n"


def oldest_python(course: Course) -> str:
    """The oldest Python that the course supports: "3.11"."""
    return _pyproject(course)["project"]["requires-python"].removeprefix(">=")


def write(course: Course) -> list[Path]:
    """Write the files that come from the lock; which they are."""
    path = course.root / "environment.yml"
    path.write_text(environment_yml(course), encoding="utf-8")
    return [path]


def check_lock(course: Course) -> list[str]:
    """What differs between pyproject.toml, the lock and the files that are made from it; empty if nothing does.

    A course folder without pyproject.toml leaves its environment to others, and has nothing to compare.
    """
    if not (course.root / "pyproject.toml").is_file():
        return []
    try:
        pins, faults = read_lock(course), []
        for requirement in _requirements(course):
            found = pins.get(canonicalize_name(requirement.name), [])
            if not found:
                faults.append(f"{LOCK}: lacks {requirement.name}, which pyproject.toml names. Run: make lock")
            faults += [
                f"{LOCK}: has {pin.name} {_version(pin)}, and pyproject.toml wants {requirement}. Run: make lock"
                for pin in found
                if _version(pin) not in requirement.specifier
            ]
        path = course.root / "environment.yml"
        if not path.is_file() or path.read_text(encoding="utf-8") != environment_yml(course):
            faults.append(f"{path.name}: differs from what {LOCK} gives. Run: make lock")
    except CourseError as error:
        return [str(error)]
    return faults


def _requirements(course: Course) -> list[Requirement]:
    """All that pyproject.toml names: to run, in groups, and to build."""
    pyproject = _pyproject(course)
    lines = [*pyproject["project"]["dependencies"], *pyproject["build-system"]["requires"]]
    for group in pyproject.get("dependency-groups", {}).values():
        lines += [line for line in group if isinstance(line, str)]
    return [Requirement(line) for line in lines]


def _student_pins(course: Course) -> dict[str, list[Requirement]]:
    """The pins of the group `student` in pyproject.toml."""
    pins = read_lock(course)
    names = [canonicalize_name(name) for name in _pyproject(course).get("dependency-groups", {}).get("student", [])]
    if not names:
        raise CourseError(f"{course.root / 'pyproject.toml'}: has no dependency group `student`")
    missing = [name for name in names if name not in pins]
    if missing:
        raise CourseError(f"{course.root / LOCK}: lacks {', '.join(missing)}, which students need. Run: make lock")
    return {name: pins[name] for name in names}


def _pyproject(course: Course) -> dict:
    path = course.root / "pyproject.toml"
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CourseError(f"{path}: is missing; it says which packages students need") from None


def _version(pin: Requirement) -> str:
    return next(iter(pin.specifier)).version
