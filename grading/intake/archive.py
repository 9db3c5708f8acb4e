"""Unpack an archive that strangers have filled: nothing lands outside its folder, no link, no flood."""

import os
import re
import shutil
import stat
import time
import zipfile
from pathlib import Path

MEGABYTE = 1 << 20
LARGEST_FILE, LARGEST_ALL = 100 * MEGABYTE, 4096 * MEGABYTE
CLUTTER = ("__MACOSX", ".DS_Store", "Thumbs.db", ".ipynb_checkpoints", "desktop.ini")


def unpack(source: Path, target: Path, depth: int = 1) -> dict[str, str]:
    """Copy a file or a folder, or unpack a zip file, into a folder.

    The times of the files are kept. A zip file within is unpacked into a folder of its name.

    Args:
        depth: so many zip files within each other are unpacked.

    Returns:
        What was left out, by name, and the reason.
    """
    target.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        left_out = _copy(source, target)
    elif zipfile.is_zipfile(source) and source.suffix.lower() == ".zip":
        left_out = _unzip(source, target)
    else:
        shutil.copy2(source, target / source.name)
        return {}
    if depth > 0:
        for inner in sorted(path for path in target.rglob("*") if path.suffix.lower() == ".zip" and path.is_file()):
            folder = inner.with_suffix("")
            if zipfile.is_zipfile(inner) and not folder.exists():
                left_out |= {f"{inner.name}/{name}": why for name, why in unpack(inner, folder, depth - 1).items()}
                inner.unlink()
    return left_out


def clutter(parts: tuple[str, ...]) -> bool:
    """True for what operating systems and Jupyter leave behind."""
    return any(part in CLUTTER or part.startswith("._") for part in parts)


def _copy(source: Path, target: Path) -> dict[str, str]:
    left_out = {}
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source)
        if clutter(name.parts) or (path.is_dir() and not path.is_symlink()):
            continue
        if path.is_symlink() or not path.is_file():
            left_out[str(name)] = "is a link or no plain file"
        elif path.stat().st_size > LARGEST_FILE:
            left_out[str(name)] = f"is larger than {LARGEST_FILE // MEGABYTE} MB"
        else:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target / name)
    return left_out


def _unzip(source: Path, target: Path) -> dict[str, str]:
    left_out, total = {}, 0
    with zipfile.ZipFile(source) as archive:
        for info in archive.infolist():
            parts = tuple(part for part in re.split(r"[/\\]", info.filename) if part)
            if info.is_dir() or clutter(parts):
                continue
            reason = _unsafe(info, parts)
            total += info.file_size
            if reason is None and total > LARGEST_ALL:
                reason = f"the archive holds more than {LARGEST_ALL // MEGABYTE} MB"
            path = target.joinpath(*parts)
            if reason is None and path.exists():
                reason = "stands twice in the archive; the first one was taken"
            if reason is None:
                reason = _extract(archive, info, path)
            if reason is not None:
                left_out[info.filename] = reason
    return left_out


def _unsafe(info: zipfile.ZipInfo, parts: tuple[str, ...]) -> str | None:
    if info.filename.startswith(("/", "\\")) or ".." in parts or re.match(r"[A-Za-z]:", info.filename):
        return "its path leads out of the archive"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "is a link"
    if info.flag_bits & 1:
        return "is encrypted"
    if info.file_size > LARGEST_FILE:
        return f"is larger than {LARGEST_FILE // MEGABYTE} MB"
    return None


def _extract(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> str | None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(info) as read, path.open("wb") as write:
            shutil.copyfileobj(read, write)  # zipfile itself never gives more than the size that was announced
    except (OSError, zipfile.BadZipFile, NotImplementedError, EOFError, ValueError) as error:
        path.unlink(missing_ok=True)
        return f"cannot be read ({error})"
    # A zip file knows local times only.
    when = time.mktime((*info.date_time, 0, 0, -1)) if info.date_time[0] > 1980 else 0.0
    os.utime(path, (when, when))
    return None
