"""Every answer of the catalogue loses exactly the tests that it says, and no right answer loses any."""

import pytest

from grading import catalogue, notebooks
from grading.course import Course
from grading.rehearsal import rehearse
from tests.conftest import ROOT

COURSE = Course(ROOT)
SOURCES = {name: notebooks.read(COURSE.source(name)) for name in COURSE.assignments}
ENTRIES = [
    (name, entry)
    for name, source in SOURCES.items()
    for entry in catalogue.load(ROOT / "mistakes" / f"{name}.toml", source)
]


@pytest.mark.parametrize(("assignment", "entry"), ENTRIES, ids=[entry.name for _, entry in ENTRIES])
def test_it_loses_exactly_these_tests(assignment, entry):
    # That the tests of all other exercises are kept is seen in `test_class.py`, where everything runs.
    own = notebooks.tests_of(SOURCES[assignment])[entry.cell]
    assert set(entry.loses) <= set(own)
    verdicts = rehearse(SOURCES[assignment], {entry.cell: entry.source}, only=own)
    assert {name for name, failure in verdicts.items() if failure} == set(entry.loses)


def test_it_is_large_enough():
    assert sum(not entry.right for _, entry in ENTRIES) >= 120
    assert sum(entry.right for _, entry in ENTRIES) >= 45
