"""Archives that strangers have filled."""

import io
import stat
import zipfile
from datetime import datetime
from pathlib import Path

import pytest

from grading.intake import archive


def make(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as target:
        for name, data in files.items():
            target.writestr(zipfile.ZipInfo(name, (2026, 11, 20, 23, 30, 0)), data)
    return path


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_files_keep_their_names_and_times(tmp_path):
    left = archive.unpack(make(tmp_path / "a.zip", {"Zoë/x.ipynb": b"1", "y.txt": b"2"}), tmp_path / "out")
    assert left == {} and files(tmp_path / "out") == {"Zoë/x.ipynb": b"1", "y.txt": b"2"}
    assert datetime.fromtimestamp((tmp_path / "out" / "y.txt").stat().st_mtime) == datetime(2026, 11, 20, 23, 30)


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/tmp/evil", "..\\evil", "C:\\evil", "C:/evil"])
def test_no_member_is_written_outside_the_folder(tmp_path, name):
    left = archive.unpack(make(tmp_path / "a.zip", {name: b"1", "fine": b"2"}), tmp_path / "in" / "out")
    assert list(left.values()) == ["its path leads out of the archive"]
    assert set(files(tmp_path)) == {"a.zip", "in/out/fine"}


def test_links_are_left_out(tmp_path):
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as target:
        target.writestr(link, "/etc/passwd")
    assert archive.unpack(tmp_path / "a.zip", tmp_path / "out") == {"link": "is a link"}
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link").symlink_to("/etc/passwd")
    (folder / "dir").symlink_to("/etc")
    assert set(archive.unpack(folder, tmp_path / "out")) == {"link", "dir"}
    assert files(tmp_path / "out") == {}


def test_members_over_a_size_limit_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "LARGEST_FILE", 10)
    monkeypatch.setattr(archive, "LARGEST_ALL", 15)
    left = archive.unpack(make(tmp_path / "a.zip", {"big": b"x" * 11, "one": b"x" * 4, "two": b"x"}), tmp_path / "out")
    assert set(left) == {"big", "two"} and set(files(tmp_path / "out")) == {"one"}


def test_a_zip_within_is_unpacked_once_and_clutter_is_dropped(tmp_path):
    def packed(content: dict[str, bytes]) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as target:
            for name, data in content.items():
                target.writestr(name, data)
        return buffer.getvalue()

    inner = packed({"x.ipynb": b"1", "../evil": b"2", "deep.zip": packed({"z": b"3"})})
    source = make(tmp_path / "a.zip", {"ada/work.zip": inner, "__MACOSX/ada/._work": b"", "ada/.DS_Store": b""})
    left = archive.unpack(source, tmp_path / "out")
    assert list(left) == ["ada/work.zip/../evil"]
    assert set(files(tmp_path / "out")) == {"ada/work/x.ipynb", "ada/work/deep.zip"}


def test_a_damaged_member_does_not_cost_the_others(tmp_path):
    path = make(tmp_path / "a.zip", {"bad": b"A" * 50, "good": b"B" * 50})
    path.write_bytes(path.read_bytes().replace(b"A" * 50, b"C" * 50))
    left = archive.unpack(path, tmp_path / "out")
    assert "cannot be read" in left["bad"] and files(tmp_path / "out") == {"good": b"B" * 50}


def packed(content: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for name, data in content.items():
            target.writestr(zipfile.ZipInfo(name, (2001, 1, 1, 0, 0, 0)), data)
    return buffer.getvalue()


def test_files_of_a_nested_archive_have_the_time_and_origin_of_the_outer_member(tmp_path):
    outer: dict[str, str] = {}
    source = make(tmp_path / "a.zip", {"ada/work.zip": packed({"bob/x.ipynb": b"1"})})
    assert archive.unpack(source, tmp_path / "out", outer=outer) == {}
    inner = tmp_path / "out" / "ada" / "work" / "bob" / "x.ipynb"
    assert datetime.fromtimestamp(inner.stat().st_mtime) == datetime(2026, 11, 20, 23, 30)
    assert outer == {"ada/work": "ada/work.zip"}


def test_times_are_read_in_the_given_zone(tmp_path):
    from zoneinfo import ZoneInfo

    archive.unpack(make(tmp_path / "a.zip", {"x": b"1"}), tmp_path / "out", zone=ZoneInfo("America/New_York"))
    moment = datetime.fromtimestamp((tmp_path / "out" / "x").stat().st_mtime, ZoneInfo("UTC"))
    assert moment.isoformat() == "2026-11-21T04:30:00+00:00"


LIAR = packed({f"{number:0200}": b"" for number in range(20_000)})


@pytest.mark.parametrize(
    "bad",
    [
        b"no zip file at all",
        packed({"x": b"1" * 1000})[:-40],
        packed({"n" * 255: b"1"}),
        packed({"/".join(["d"] * 2000): b"1"}),
        packed({"x\0y": b"1"}),
        packed({"..": b"1", "": b"2", "/": b"3"}),
        LIAR,
    ],
    ids=["no zip", "cut", "long name", "deep", "nul", "dots", "many"],
)
def test_a_bad_archive_fails_alone(tmp_path, bad):
    good = packed({"x.ipynb": b"good"})
    source = make(tmp_path / "a.zip", {"a/work.zip": good, "b/work.zip": bad, "c/work.zip": good})
    left = archive.unpack(source, tmp_path / "out")
    found = files(tmp_path / "out")
    assert found["a/work/x.ipynb"] == found["c/work/x.ipynb"] == b"good"
    assert all(name.startswith("b/") for name in left) and len(found) < 10


def test_each_nested_archive_has_its_own_size_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "LARGEST_ALL", 4000)
    bomb = packed({f"{number}": b"0" * 900 for number in range(40)})
    source = make(tmp_path / "a.zip", {"a/work.zip": bomb, "b/work.zip": packed({"x.ipynb": b"b" * 300})})
    left = archive.unpack(source, tmp_path / "out")
    assert files(tmp_path / "out")["b/work/x.ipynb"] == b"b" * 300
    assert left and all(name.startswith("a/") for name in left)


def test_a_folder_named_like_an_archive_does_not_hide_the_archive(tmp_path):
    source = make(tmp_path / "a.zip", {"ada/work.zip": packed({"x.ipynb": b"1"}), "ada/work/notes.txt": b"2"})
    archive.unpack(source, tmp_path / "out")
    assert b"1" in files(tmp_path / "out").values()
