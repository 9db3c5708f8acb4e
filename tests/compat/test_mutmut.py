"""Private names of mutmut exist and mean what is assumed. An upgrade that changes one fails here, by name."""

import libcst as cst

from grading.compat.mutmut import OPERATORS


def changed(code: str) -> set[str]:
    expression = cst.parse_expression(code)
    new = [one for kind, operator in OPERATORS if isinstance(expression, kind) for one in operator(expression)]
    return {cst.Module([]).code_for_node(one) for one in new}


def test_operators_make_mutants():
    assert changed("7") == {"8"}
    assert "True" in changed("False")
    assert changed("not x") == {"x"}


def test_every_operator_pairs_a_kind_of_node_with_a_function():
    assert len(OPERATORS) > 5
    assert all(issubclass(kind, cst.CSTNode) and callable(operator) for kind, operator in OPERATORS)
