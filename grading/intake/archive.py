"""Unpack an untrusted archive safely: nothing outside its folder, no links, limited sizes.

Students control the content of inner archives. Names and times there never decide who handed something in or when:
`unpack` reports the entry of the outermost archive that a file came from, and gives the file the time of that entry.
"""

import contextlib
import os
import re
import shutil
import stat
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path

MEGABYTE = 1 << 20
LARGEST_FILE, LARGEST_ALL = 100 * MEGABYTE, 4096 * MEGABYTE
LARGEST_INNER = 400 * MEGABYTE  # of one student's archive, unpacked
MOST_FILES, MOST_INNER = 200_000, 5_000  # in all, and in one student's archive
LARGEST_DIRECTORY = 4 * MEGABYTE  # the list of names in a student's archive, which is read as a whole
CLUTTER = ("__MACOSX", ".DS_Store", "Thumbs.db", ".ipynb_checkpoints", "desktop.ini")
DAMAGE = (OSError, zipfile.BadZipFile, NotImplementedError, EOFError, ValueError, RuntimeError, KeyError, IndexError)


@dataclass
class Budget:
    """The bytes and files that may still be unpacked, over all archives."""

    size: int
    files: int

    def share(self, number: int) -> "Budget":
        """The share of one of so many archives, so that each gets some."""
        return Budget(min(self.size // number, LARGEST_INNER), min(self.files // number, MOST_INNER))

    def refuses(self, size: int) -> str | None:
        """Count a file of this size. Returns why it is too much, or None."""
        if size > self.size:
            return f"all together is more than fits ({LARGEST_ALL // MEGABYTE} MB, and less in an archive within)"
        if self.files < 1:
            return "there are too many files"
        self.size -= size
        self.files -= 1
        return None


def unpack(
    source: Path,
    target: Path,
    depth: int = 1,
    zone: tzinfo | None = None,
    outer: dict[str, str] | None = None,
    handed_in: bool = False,
    budget: Budget | None = None,
) -> dict[str, str]:
    """Copy a file or a folder, or unpack a zip file, into a folder.

    The files keep their times. An inner zip file is unpacked into a folder beside it and removed. One that is broken or
    too large stays and is reported; the others are still unpacked.

    Args:
        depth: how many levels of inner zip files are unpacked.
        zone: of the times in the archive; by default this machine's.
        outer: receives, for each folder that an inner archive was unpacked to, the name of the outermost entry that it
            came from; both relative to the target.
        handed_in: the source itself is what one student handed in: if it is an archive, it is an inner one.
        budget: what may still be unpacked, if there are several sources.

    Returns:
        What was left out, by name, and the reason.
    """
    target.mkdir(parents=True, exist_ok=True)
    left_out: dict[str, str] = {}
    outer = {} if outer is None else outer
    budget = budget or Budget(LARGEST_ALL, MOST_FILES)
    if source.is_dir():
        left_out |= _copy(source, target, budget)
    elif not handed_in and zipfile.is_zipfile(source) and source.suffix.lower() == ".zip":
        try:
            left_out |= _unzip(source, target, budget, zone)
        except DAMAGE as error:
            left_out[source.name] = f"cannot be opened ({error})"
    else:
        shutil.copy2(source, target / source.name)
        if not handed_in:
            return left_out
    if depth > 0:
        places = [target / source.name] if handed_in else _files(target)
        inner = sorted(path for path in places if path.suffix.lower() == ".zip")
        for number, path in enumerate(inner):
            share = budget.share(len(inner) - number)
            before = Budget(share.size, share.files)
            left_out |= _open_inner(path, path, target, depth, share, outer)
            budget.size -= before.size - share.size
            budget.files -= before.files - share.files
    return left_out


def clutter(parts: tuple[str, ...]) -> bool:
    """Whether a path is clutter of an operating system or of Jupyter."""
    return any(part in CLUTTER or part.startswith("._") for part in parts)


def _open_inner(
    path: Path, outermost: Path, target: Path, depth: int, budget: Budget, outer: dict[str, str]
) -> dict[str, str]:
    """Unpack a student's archive; its files get the time of the outermost archive's entry."""
    folder = path.with_suffix("")
    if folder.exists() or folder == path:
        folder = path.with_name(f"{path.name[:100]}.unpacked")
    when = path.stat().st_mtime
    try:
        if not zipfile.is_zipfile(path):
            raise zipfile.BadZipFile("it is no zip file")
        if _directory_size(path) > LARGEST_DIRECTORY:
            raise zipfile.BadZipFile("it has too many files")
        folder.mkdir()
        found = _unzip(path, folder, budget, None)
    except DAMAGE as error:
        return {path.relative_to(target).as_posix(): f"cannot be opened ({error})"}
    left_out = {f"{path.relative_to(target).as_posix()}/{name}": why for name, why in found.items()}
    outer[folder.relative_to(target).as_posix()] = outermost.relative_to(target).as_posix()
    path.unlink()
    for inner in list(_files(folder)):
        os.utime(inner, (when, when))
        if depth > 1 and inner.suffix.lower() == ".zip":
            left_out |= _open_inner(inner, outermost, target, depth - 1, budget, outer)
    return left_out


def _directory_size(path: Path) -> int:
    """How many bytes the list of names has, which `zipfile` reads at once."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 66_000))
        tail = file.read()
    end = tail.rfind(b"PK\5\6")
    return int.from_bytes(tail[end + 12 : end + 16], "little") if end >= 0 else 0


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _copy(source: Path, target: Path, budget: Budget) -> dict[str, str]:
    left_out = {}
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source)
        if clutter(name.parts) or (path.is_dir() and not path.is_symlink()):
            continue
        reason: str | None
        try:
            if path.is_symlink() or not path.is_file():
                reason = "is a link or no plain file"
            elif path.stat().st_size > LARGEST_FILE:
                reason = f"is larger than {LARGEST_FILE // MEGABYTE} MB"
            else:
                reason = budget.refuses(path.stat().st_size)
            if reason is None:
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, target / name)
        except OSError as error:
            reason = f"cannot be read ({error.strerror})"
        if reason is not None:
            left_out[str(name)] = reason
    return left_out


def _unzip(source: Path, target: Path, budget: Budget, zone: tzinfo | None) -> dict[str, str]:
    left_out = {}
    with zipfile.ZipFile(source) as archive:
        for info in archive.infolist():
            parts = tuple(part for part in re.split(r"[/\\]", info.filename) if part)
            if info.is_dir() or clutter(parts):
                continue
            unsafe, over = _unsafe(info, parts), budget.refuses(info.file_size)
            reason = unsafe or over
            path = target.joinpath(*parts)
            if reason is None and path.exists():
                reason = "occurs twice in the archive; the first one was taken"
            if reason is None:
                reason = _extract(archive, info, path, zone)
            if reason is not None:
                left_out[info.filename] = reason
    return left_out


def _unsafe(info: zipfile.ZipInfo, parts: tuple[str, ...]) -> str | None:
    if not parts or info.filename.startswith(("/", "\\")) or ".." in parts or re.match(r"[A-Za-z]:", info.filename):
        return "its path leads out of the archive"
    if len(parts) > 30 or any(len(part.encode("utf-8", "replace")) > 240 for part in parts):
        return "its name is too long"
    if any("\0" in part for part in parts):
        return "its name cannot be that of a file"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "is a link"
    if info.flag_bits & 1:
        return "is encrypted"
    if info.file_size > LARGEST_FILE:
        return f"is larger than {LARGEST_FILE // MEGABYTE} MB"
    return None


def _extract(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path, zone: tzinfo | None) -> str | None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(info) as read, path.open("xb") as write:
            shutil.copyfileobj(read, write)  # zipfile itself never gives more than the size that was announced
    except Exception as error:  # zlib and lzma raise their own; whatever it is, it is this file's failure alone
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        return f"cannot be read ({error})"
    when = _time(info.date_time, zone)
    os.utime(path, (when, when))
    return None


def _time(written: tuple[int, int, int, int, int, int], zone: tzinfo | None) -> float:
    """A zip file knows local times only; 0 for none."""
    if written[0] <= 1980:
        return 0.0
    try:
        return datetime(*written, tzinfo=zone).timestamp() if zone else time.mktime((*written, 0, 0, -1))
    except (ValueError, OverflowError):
        return 0.0
