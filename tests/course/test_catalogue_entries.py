"""The catalogue as a whole, and its few entries that cannot stand beside others in one notebook."""

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


# All others go through the real pipeline, in `test_class.py`.
ON_OTHERS = [(name, entry) for name, entry in ENTRIES if catalogue.stands_on_another(entry)]


@pytest.mark.parametrize(("assignment", "entry"), ON_OTHERS, ids=[entry.name for _, entry in ON_OTHERS])
def test_an_answer_that_stands_on_another_loses_exactly_its_tests(assignment, entry):
    own = notebooks.tests_of(SOURCES[assignment])[entry.cell]
    assert set(entry.loses) <= set(own)
    verdicts = rehearse(SOURCES[assignment], {entry.cell: entry.source}, only=own)
    assert {name for name, failure in verdicts.items() if failure} == set(entry.loses)


def test_it_is_large_enough():
    assert sum(not entry.right for _, entry in ENTRIES) >= 120
    assert sum(entry.right for _, entry in ENTRIES) >= 45
