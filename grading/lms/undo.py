"""Undo what the last `make collect` changed in `submitted/`."""

import hashlib
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from grading.course.errors import CourseError
from grading.course.folder import Course

# What collecting notes in downloaded/<assignment>/.
NOTES = ("names.json", "groups.json", "refused.json", "worksheet.csv")


@dataclass
class Undone:
    """What was restored.

    Attributes:
        restored: students whose former submission was restored.
        removed: students whose submission was new and has been removed.
        left: students whose folder has been changed since, so it was not touched.
    """

    restored: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def _folder(course: Course, assignment: str) -> Path:
    return course.root / "downloaded" / assignment / "undo"


def before(course: Course, assignment: str, students: list[str]) -> None:
    """Save these students' submissions, and the notes, before anything is collected."""
    kept = _folder(course, assignment)
    shutil.rmtree(kept, ignore_errors=True)
    (kept / "notes").mkdir(parents=True)
    for student in students:
        folder = course.root / "submitted" / student / assignment
        if folder.is_dir():
            shutil.copytree(folder, kept / "submitted" / student, symlinks=True)
    for name in NOTES:
        if (kept.parent / name).is_file():
            shutil.copy2(kept.parent / name, kept / "notes" / name)
    made = not (course.root / "students.csv").is_file()
    _write(kept / "collect.json", {"students": dict.fromkeys(students, ""), "made_class_list": made})


def after(course: Course, assignment: str) -> None:
    """Note what was collected, so that `undo` can detect later changes."""
    path = _folder(course, assignment) / "collect.json"
    noted = json.loads(path.read_text(encoding="utf-8"))
    for student in noted["students"]:
        noted["students"][student] = _digest(course.root / "submitted" / student / assignment)
    noted["class_list"] = _digest(course.root / "students.csv") if noted["made_class_list"] else ""
    _write(path, noted)


def undo(course: Course, assignment: str) -> Undone:
    """Put `submitted/` back as it was before the last `collect` of an assignment; that can be done once.

    Raises:
        CourseError: nothing has been collected, or it has been undone already.
    """
    kept = _folder(course, assignment)
    if not (kept / "collect.json").is_file():
        raise CourseError(f"{assignment}: there is no collection to undo (none was made, or it has been undone)")
    noted, done = json.loads((kept / "collect.json").read_text(encoding="utf-8")), Undone()
    for student, digest in noted["students"].items():
        folder, former = course.root / "submitted" / student / assignment, kept / "submitted" / student
        if former.is_dir() and _digest(former) == _digest(folder):
            continue  # it was not replaced
        if not former.is_dir() and not folder.is_dir():
            continue
        if digest and _digest(folder) != digest:
            done.left.append(student)
            continue
        shutil.rmtree(folder, ignore_errors=True)
        if former.is_dir():
            shutil.copytree(former, folder, symlinks=True)
            done.restored.append(student)
        else:
            done.removed.append(student)
            if not any(folder.parent.iterdir()):
                folder.parent.rmdir()
    for name in NOTES:
        (kept.parent / name).unlink(missing_ok=True)
        if (kept / "notes" / name).is_file():
            shutil.copy2(kept / "notes" / name, kept.parent / name)
    if noted.get("class_list") and _digest(course.root / "students.csv") == noted["class_list"]:
        (course.root / "students.csv").unlink()
    shutil.rmtree(kept)
    return done


def _digest(path: Path) -> str:
    """A digest of a file's or a folder's content; empty if there is neither."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    if not path.is_dir():
        return ""
    found = hashlib.sha256()
    for file in sorted(path.rglob("*")):
        if file.is_file() and not file.is_symlink():
            found.update(file.relative_to(path).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return found.hexdigest()


def _write(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
