"""Whichever set of inputs an attempt draws: the reference passes, and each mistake loses exactly its tests.

An entry of the catalogue is run with two sets, which change when the notebook changes. With SETS=all in the environment
it is run with all of them, which takes up to an hour for an assignment.
"""

import contextlib
import os
import zlib
from collections.abc import Iterable, Iterator

import pytest
from nbformat import NotebookNode

from grading.course import catalogue, notebooks
from grading.course.catalogue import Entry
from grading.course.folder import Course
from grading.execution.rehearsal import run
from grading.oracle import inputs
from grading.oracle.student_code import InProcess, connected
from grading.probe import optimizers
from tests.conftest import ROOT

COURSE = Course(ROOT)
EVERY = range(inputs.POOL)
SOURCES = {name: notebooks.read(COURSE.source(name)) for name in COURSE.assignments}
ENTRIES = [
    pytest.param(assignment, entry, id=f"{assignment}-{entry.name}")
    for assignment, source in SOURCES.items()
    for entry in catalogue.load(ROOT / "mistakes" / f"{assignment}.toml", source)
]

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch) -> None:
    """Some answers write files."""
    monkeypatch.chdir(tmp_path)


def lost(notebook: NotebookNode, replaced: dict[str, str], sets: Iterable[int], tests: set[str]) -> dict[int, set[str]]:
    """The tests that an answer loses with each set of inputs.

    Visible parts run once, and so do hidden ones that draw nothing. The others run with each set.
    """
    failed: dict[int, set[str]] = {number: set() for number in sets}
    namespace: dict = {"__name__": "__main__"}
    sources: list[str] = []
    channel = InProcess(namespace, sources)
    for name, cell in notebooks.by_id(notebook).items():
        if cell.cell_type != "code" or (notebooks.kind(cell) == "test" and name not in tests):
            continue
        visible, hidden = notebooks.split_hidden(replaced.get(name, cell.source))
        with connected(channel):
            failure = run(visible, namespace, name)
        sources.append(visible)
        if notebooks.kind(cell) == "test":
            draws = failure is None  # else the hidden part does not run
            for place, (number, own) in enumerate(failed.items()):
                if place == 0 or draws:
                    with connected(channel, number), noticed() as drawn:
                        said = failure or run(hidden, {"__name__": "hidden"}, name)
                    draws = draws and bool(drawn)
                if said:
                    own.add(name)
    return failed


@contextlib.contextmanager
def noticed() -> Iterator[list[str]]:
    """The names of the inputs that are drawn meanwhile."""
    drawn: list[str] = []
    chosen = inputs.chosen
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inputs, "chosen", lambda name: (drawn.append(name), chosen(name))[1])
        yield drawn


def some_sets(assignment: str, entry: Entry) -> Iterable[int]:
    """Two sets, or all: others for each entry, and others again when a cell of the notebook has changed."""
    if os.environ.get("SETS") == "all":
        return EVERY
    first = zlib.crc32("".join([entry.name, *(cell.source for cell in SOURCES[assignment].cells)]).encode())
    return [first % inputs.POOL, (first + inputs.POOL // 2) % inputs.POOL]


@pytest.mark.parametrize("assignment", COURSE.assignments)
def test_the_reference_passes_with_every_set(assignment, monkeypatch):
    source = SOURCES[assignment]
    tests = {test for own in notebooks.tests_of(source).values() for test in own}
    first, *others = EVERY
    failed = lost(source, {}, [first], tests)
    # To notice that torch takes the steps costs most of the time, and does not depend on the inputs.
    monkeypatch.setattr(optimizers, "follow_torch", False)
    failed |= lost(source, {}, others, tests)
    assert failed.keys() == set(EVERY)
    assert {number: own for number, own in failed.items() if own} == {}


@pytest.mark.parametrize(("assignment", "entry"), ENTRIES)
def test_an_entry_of_the_catalogue_loses_its_tests_with_every_set(assignment, entry, monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")  # as while a notebook is graded
    source = SOURCES[assignment]
    tests = {*entry.loses, *notebooks.tests_of(source)[entry.cell]}
    failed = lost(source, {entry.cell: entry.source}, some_sets(assignment, entry), tests)
    assert {number: own for number, own in failed.items() if own != set(entry.loses)} == {}
