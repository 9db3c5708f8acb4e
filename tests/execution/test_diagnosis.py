"""A student's mistake gets the name of the catalogue entry that answers alike, and no other."""

import json
from copy import copy
from dataclasses import replace

import pytest

from grading.course import notebooks
from grading.execution import diagnosis
from grading.execution.diagnosis import Diagnostician, diagnostician
from grading.execution.rehearsal import definitions
from grading.oracle.student_code import InProcess, StudentError, connected, student
from tests.conftest import DROPS_THE_SIGN, FORGETS_TO_DIVIDE, RIGHT, ROOT, tiny_notebook, tiny_source

BOTH = ("test_mean", "test_mean_negative")
NEGATIVE = BOTH[1:]


@pytest.fixture(scope="module")
def known(tmp_path_factory) -> Diagnostician:
    return Diagnostician(tiny_source(tmp_path_factory.mktemp("diagnosis")).source("averages"))


def transcript_of(solution: str, *questions: list) -> list:
    with connected(InProcess(*definitions(tiny_notebook(), {"mean": solution}))) as transcript:
        for values in questions:
            try:
                student.call("mean", values)
            except StudentError:
                continue
    return transcript


def name(known: Diagnostician, solution: str, *questions: list, lost: tuple[str, ...] = BOTH) -> str | None:
    return named(known, transcript_of(solution, *questions), lost)


def named(known: Diagnostician, transcript: list, lost: tuple[str, ...] = BOTH) -> str | None:
    """The mistake in `mean` if every lost test has asked these questions."""
    entry = known.name("mean", dict.fromkeys(lost, transcript), lost)
    return entry and entry.name


def test_a_known_mistake_is_named(known):
    assert name(known, FORGETS_TO_DIVIDE, [2.0, 3.0]) == "mean_forgets_to_divide"
    assert name(known, DROPS_THE_SIGN, [2.0, 3.0], [-2.0], lost=NEGATIVE) == "mean_drops_the_sign"


def test_a_mistake_loses_exactly_its_tests(known):
    """What else is lost, it cannot explain; and what it would lose is passed."""
    assert name(known, FORGETS_TO_DIVIDE, [2.0, 3.0], lost=NEGATIVE) is None
    assert name(known, DROPS_THE_SIGN, [-2.0], lost=BOTH) is None
    assert name(known, DROPS_THE_SIGN, [-2.0], lost=(*NEGATIVE, "test_median")) == "mean_drops_the_sign"


def test_only_the_questions_of_failed_tests_decide_the_diagnosis(known):
    rounded = transcript_of("def mean(values):\n    return sum(values) / len(values) + 1e-9", [2.0, 3.0])
    asked = {"test_mean": rounded, "test_mean_negative": transcript_of(DROPS_THE_SIGN, [-2.0])}
    assert known.name("mean", asked, NEGATIVE).name == "mean_drops_the_sign"
    assert known.name("mean", {"test_mean": rounded}, NEGATIVE) is None


def test_a_failed_test_without_questions_counts_as_lost(known):
    asked = {"test_mean": transcript_of(FORGETS_TO_DIVIDE, [2.0, 3.0])}
    assert known.name("mean", asked, BOTH).name == "mean_forgets_to_divide"


def test_a_mistake_written_in_another_way_is_named(known):
    other = "def mean(values):\n    total = 1e-13\n    for v in values:\n        total += v\n    return total"
    assert name(known, other, [2.0, 3.0]) == "mean_forgets_to_divide"


def test_a_mistake_is_named_only_if_every_answer_agrees(known):
    only_once = "def mean(values):\n    return sum(values) if values[0] == 2.0 else 0.0"
    assert name(known, only_once, [2.0, 3.0], [1.0, 5.0]) is None


def test_right_answers_have_no_mistake(known):
    assert name(known, RIGHT, [2.0, 3.0], [-2.0]) is None
    assert name(known, FORGETS_TO_DIVIDE, [2.0]) is None


@pytest.mark.parametrize("numbers", [[0.1, 0.2], [1 / 3, 1e-9], [1e12, 0.7]])
def test_single_precision_is_a_mistake_of_its_own(known, numbers):
    """It is neither the right answer nor that of a mistake which shows on other numbers only."""
    rounds = "import struct\n" + RIGHT.replace("return ", "return struct.unpack('f', struct.pack('f', ") + "))[0]"
    other_way = "import numpy as np\n" + RIGHT.replace("return ", "return float(np.float32(") + "))"
    rare = RIGHT.replace("return ", "return 0.0 if 5.0 in values else ")
    both = copy(known)
    both.entries = [
        replace(known.entries[0], name=name, source=source) for name, source in [("rare", rare), ("rounds", rounds)]
    ]
    assert name(both, other_way, numbers) == "rounds"
    assert name(both, RIGHT, numbers) is None


def test_code_that_raises_has_no_mistake(known):
    assert name(known, "def mean(values):\n    return 1 / 0", [2.0, 3.0]) is None
    assert (
        name(known, "def mean(values):\n    return 1 / 0 if values[0] < 0 else sum(values)", [2.0, 3.0], [-1.0]) is None
    )


def test_a_mistake_of_another_exercise_is_not_named(known):
    asked = transcript_of(FORGETS_TO_DIVIDE, [2.0, 3.0])
    assert known.name("median", {"test_median": asked, "test_mean": asked}, ["test_median"]) is None


def test_without_questions_no_mistake_is_named(known):
    assert known.name("mean", {}, BOTH) is None and known.name("mean", {"test_mean": []}, BOTH) is None


def test_mistakes_with_equal_answers_are_named_only_if_they_have_the_same_explanation(known):
    asked = transcript_of(DROPS_THE_SIGN, [-2.0])
    both = copy(known)
    both.entries = [*known.entries, replace(known.entries[1], name="mean_is_positive")]
    assert named(both, asked, NEGATIVE) == "mean_drops_the_sign"
    both.entries[-1] = replace(both.entries[-1], why="The result is always positive.")
    assert named(both, asked, NEGATIVE) is None
    both.entries[-1] = replace(both.entries[-1], loses=BOTH)
    assert named(both, asked, NEGATIVE) == "mean_drops_the_sign"


def test_a_mistake_in_an_earlier_exercise_hides_no_later_one():
    """`sgd` calls `mse`; with stand-ins for it, only the mistake in `sgd` itself tells."""
    known = diagnostician((ROOT / "source" / "training" / "training.ipynb").resolve())
    mistake = next(entry for entry in known.entries if entry.name == "sgd_loss_of_last_batch")
    wrong = {"sgd": mistake.source, "mse": "def mse(*arguments):\n    return 1.0"}
    _, hidden = notebooks.split_hidden(notebooks.by_id(known.notebook)["test_sgd_losses"].source)
    with connected(InProcess(*definitions(known.notebook, wrong))) as transcript, pytest.raises(AssertionError):
        exec(compile(hidden, "test_sgd_losses", "exec"), {"__name__": "hidden"})
    assert known.name("sgd", {"test_sgd_losses": transcript}, mistake.loses) == mistake


def test_measured_times_do_not_decide_the_diagnosis(known):
    cost = (json.dumps({"probe": "autodiff.cost", "arguments": {}}), {"value": 7})
    asked = transcript_of(FORGETS_TO_DIVIDE, [2.0, 3.0])
    assert named(known, [cost, *asked]) == named(known, asked) == "mean_forgets_to_divide"
    assert named(known, [cost]) is None


def test_a_catalogue_entry_without_answers_is_never_named(known, monkeypatch):
    endless = copy(known)
    loop = "def mean(values):\n    while values[0] != 2.0: pass\n    return 5.0"
    endless.entries = [replace(known.entries[0], name="mean_loops", source=loop), known.entries[0]]
    monkeypatch.setattr(diagnosis, "SECONDS", 0.1)
    assert name(endless, FORGETS_TO_DIVIDE, [2.0, 3.0], [1.0, 1.0]) == "mean_forgets_to_divide"


def test_two_nan_answers_are_equal(known, tmp_path):
    course = tiny_source(tmp_path / "nan")
    text = (course.root / "mistakes" / "averages.toml").read_text(encoding="utf-8")
    path = course.root / "mistakes" / "averages.toml"
    path.write_text(text.replace('new = "return sum(values)"', "new = \"return float('nan')\""), encoding="utf-8")
    nan = "def mean(values):\n    return [float('nan')][0]"
    assert name(Diagnostician(course.source("averages")), nan, [2.0]) == "mean_forgets_to_divide"


def test_true_is_not_equal_to_one(known):
    asked = json.dumps({"probe": "core.call", "arguments": {"function": "mean", "args": [[1.0, 0.0]], "kwargs": {}}})
    reply = {"value": {"value": True, "arguments": [[1.0, 0.0]], "kind": "bool"}}
    assert named(known, [(asked, reply)]) is None


def test_a_catalogue_is_read_once(known, tmp_path):
    source = tiny_source(tmp_path / "course").source("averages")
    assert diagnostician(source) is diagnostician(source)
