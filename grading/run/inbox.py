"""Find new submissions in nbgrader's exchange and in `submitted/`, without changing or deleting anything there."""

import os
import pwd
import shutil
import stat
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from nbgrader.exchange.default.exchange import Exchange

from grading.course import times
from grading.course.folder import Course
from grading.intake.submission import Submission

EXCHANGE, SUBMITTED = "exchange", "submitted"
SETTLED = 1.0  # seconds without a change until a folder counts as complete
MAX_BYTES, MAX_FILES = 200 * 2**20, 5_000
OWN_FILES = {"timestamp.txt", "submission_secret.txt"}  # nbgrader writes them last


@dataclass(frozen=True)
class Arrival:
    """A folder that somebody has handed in.

    Attributes:
        key: the folder's name in the exchange; in `submitted/` the digest of the content.
        received: when the last change was made, as this machine's clock says.
        refusal: why it is refused; empty if it is accepted.
    """

    origin: str
    assignment: str
    student: str
    key: str
    folder: Path
    received: datetime
    refusal: str = ""


def exchange_folder(course: Course) -> Path | None:
    """The course's folder in nbgrader's exchange; None if there is no exchange."""
    coursedir = course.coursedir
    folder = Path(Exchange(coursedir=coursedir, config=course.config).root) / coursedir.course_id
    return folder if (folder / "inbound").is_dir() else None


def in_exchange(course: Course, assignments: list[str]) -> list[Arrival]:
    """The complete submissions in the exchange, `inbound/<student>+<assignment>+<time>+<random>`, the oldest first."""
    exchange = exchange_folder(course)
    if exchange is None:
        return []
    arrivals = []
    for entry in os.scandir(exchange / "inbound"):
        parts = entry.name.rsplit("+", 3)  # a student's name may hold a +
        if len(parts) == 4 and parts[1] in assignments and entry.is_dir(follow_symlinks=False):
            folder = Path(entry.path)
            received = _complete(folder)
            if received is not None:
                refusal = _not_the_owner(folder, parts[0], course)
                arrivals.append(Arrival(EXCHANGE, parts[1], parts[0], entry.name, folder, received, refusal))
    return sorted(arrivals, key=lambda arrival: (arrival.received, arrival.key))


def in_submitted(course: Course, assignments: list[str], unchanged: dict[Path, float]) -> list[Arrival]:
    """The folders `submitted/<student>/<assignment>/` that have not changed for a second.

    Args:
        unchanged: for each folder, the time of its last known change. Folders without a later change are left out. The
            dictionary is updated.
    """
    arrivals = []
    for assignment in assignments:
        for folder in sorted((course.root / "submitted").glob(f"*/{assignment}")):
            if folder.is_symlink() or not folder.is_dir():
                continue
            changed = _last_change(folder)
            if changed is None or unchanged.get(folder) == changed or time.time() - changed < SETTLED:
                continue
            try:
                key = Submission(folder.parent.name, assignment, folder).digest()
            except Exception:  # `make grade` names what is wrong with it
                key = f"unreadable since {changed}"
            unchanged[folder] = changed
            received = datetime.fromtimestamp(changed, UTC)
            arrivals.append(Arrival(SUBMITTED, assignment, folder.parent.name, key, folder, received))
    return arrivals


def keep(arrival: Arrival, target: Path) -> str:
    """Copy an arrival to its permanent place: regular files only, links as links, up to a size limit.

    Students can write any time into `timestamp.txt`. If it differs by more than a minute from the time at which this
    machine received the submission, the latter replaces it.

    Returns:
        What was left out or changed, in words; empty if nothing was.
    """
    room, number, left_out = MAX_BYTES, 0, []

    def ignore(parent: str, names: list[str]) -> set[str]:
        nonlocal room, number
        ignored = set()
        for name in sorted(names):
            try:
                info = (Path(parent) / name).lstat()
            except OSError:
                ignored.add(name)
                continue
            number += 1
            regular = stat.S_ISREG(info.st_mode)
            room -= info.st_size if regular else 0
            special = not (regular or stat.S_ISDIR(info.st_mode) or stat.S_ISLNK(info.st_mode))
            if special or room < 0 or number > MAX_FILES:
                ignored.add(name)
                left_out.append(name)
        return ignored

    draft = target.with_name(f".{target.name}.arriving")
    for old in (draft, target):
        shutil.rmtree(old, ignore_errors=True)
    draft.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(arrival.folder, draft, symlinks=True, ignore=ignore)
    for path in [draft, *draft.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o700 if path.is_dir() else 0o600)
    notes = [f"left out, too large or no file: {', '.join(left_out[:5])}"] if left_out else []
    if arrival.origin == EXCHANGE:
        notes += _set_time(draft / "timestamp.txt", arrival.received)
    draft.rename(target)
    return "; ".join(notes)


def _set_time(path: Path, received: datetime) -> list[str]:
    """Write the time of receipt to `timestamp.txt`, unless the file has that time already."""
    try:
        claimed = times.parse(path.read_text(encoding="utf-8")[:100]).replace(tzinfo=UTC)
        if abs((claimed - received).total_seconds()) <= 60 and not path.is_symlink():
            return []
        note = [f"timestamp.txt said {claimed:%Y-%m-%d %H:%M:%S} UTC"]
    except (OSError, ValueError):
        note = ["timestamp.txt held no time"]
    path.unlink(missing_ok=True)
    path.write_text(f"{received:%Y-%m-%d %H:%M:%S.%f} UTC", encoding="utf-8")
    return note


def _complete(folder: Path) -> datetime | None:
    """When a folder of the exchange was completed; None if its student is still copying.

    nbgrader writes the secret last, and then sets the folder's permissions. Nobody can forge the time that the system
    records for that change (its ctime).
    """
    try:
        changed = max(folder.stat().st_ctime, (folder / "submission_secret.txt").lstat().st_ctime)
        open_to_all = stat.S_IMODE(folder.stat().st_mode) & stat.S_IWOTH
    except OSError:
        return None
    if not open_to_all and time.time() - changed < 5 * SETTLED:
        return None
    return datetime.fromtimestamp(changed, UTC)


def _not_the_owner(folder: Path, student: str, course: Course) -> str:
    """Why a folder does not belong to this student; empty if it does. The grader's user may hand in for anybody."""
    uid = folder.lstat().st_uid
    if uid == os.geteuid() or not course.config.ExchangeCollect.get("check_owner", True):
        return ""
    try:
        owner = pwd.getpwuid(uid).pw_name
    except KeyError:
        owner = f"user id {uid}"
    return "" if owner == student else f"it claims to be from {student} and belongs to {owner}"


def _last_change(folder: Path) -> float | None:
    """The time of the last change in a folder, in seconds since 1970; None if it is empty."""
    times = []
    for number, path in enumerate(folder.rglob("*")):
        if number > MAX_FILES:
            break
        try:
            times.append(path.lstat().st_mtime)
        except OSError:
            return None
    return max(times, default=None)
