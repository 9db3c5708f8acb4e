"""A reply fits the schema of its question, or no judge sees it."""

import json

import numpy as np
import pytest

from grading.oracle import replies
from grading.oracle.replies import Unreadable
from grading.probe import core, wire

ASKED = {"name": "Descent", "runs": [{"start": [1.0, 2.0], "gradients": [[0.5, 1.0]] * 2}]}
CLAIMS = {"gradients_changed": False, "returned": False, "ignored": False, "torch_optim": None}
GOOD = {"paths": [[[1.0, 2.0]] * 3], **CLAIMS}


def test_a_valid_reply_is_accepted():
    replies.check("optimizers.follow", ASKED, GOOD)


@pytest.mark.parametrize(
    "reply",
    [
        {},
        [],
        None,
        {**GOOD, "more": 1},
        {"paths": GOOD["paths"]},
        {**GOOD, "paths": []},
        {**GOOD, "paths": [[[1.0, 2.0]] * 2]},
        {**GOOD, "paths": [[[1.0, 2.0]] * 4]},
        {**GOOD, "paths": [[[1.0]] * 3]},
        {**GOOD, "paths": [[1.0, 2.0, 3.0]]},
        {**GOOD, "paths": GOOD["paths"] * 2},
        {**GOOD, "paths": {"0": GOOD["paths"][0]}},
        {**GOOD, "returned": 0},
        {**GOOD, "torch_optim": 3},
        {**GOOD, "torch_optim": "x" * 5000},
    ],
)
def test_an_invalid_reply_is_refused(reply):
    with pytest.raises(Unreadable):
        replies.check("optimizers.follow", ASKED, reply)


@pytest.mark.parametrize("value", [True, "1", None, [1.0], {"object": "int"}])
def test_values_that_are_not_numbers_are_refused(value):
    with pytest.raises(Unreadable, match="value should be a number"):
        replies.check("autodiff.built", {}, value)


@pytest.mark.parametrize("value", [1, 1.5, float("nan"), float("inf"), -3])
def test_numbers_are_accepted(value):
    replies.check("autodiff.built", {}, value)


@pytest.mark.parametrize(
    "reply",
    [
        [],
        {},
        {"value": 1, "error": {}},
        {"error": []},
        {"error": {"type": "E", "message": ""}},
        {"value": 1, "more": 2},
    ],
)
def test_an_invalid_envelope_is_refused(reply):
    with pytest.raises(Unreadable):
        replies.envelope(reply)


def test_every_reply_of_a_probe_is_a_valid_envelope():
    for name in ("there", "missing"):
        question = json.dumps({"probe": "core.value", "arguments": {"name": name}})
        replies.envelope(wire.loads(core.answer(question, {"there": np.ones(2)})))


def test_an_unknown_probe_has_no_schema():
    with pytest.raises(KeyError):
        replies.check("core.answer", {}, None)
