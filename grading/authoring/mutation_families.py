"""Changes of a solution that look like slips of a person, beside those of mutmut's operators.

State that is shared, an assignment that adds, an alias in place of a copy, a context that is left out, a statement on
the other side of a loop's edge, a loop that ends early, a value that is clipped, a memory that outlives its call, a sum
for a mean.
"""

import re
from collections.abc import Iterator
from typing import Any

import libcst as cst
import libcst.matchers as m

CLIP = 100  # larger than what small inputs make of it, and smaller than what a path that diverges comes to
FEW = 3  # rounds of a loop that ends early
OTHER = {"mean": "sum", "sum": "mean", "max": "min", "min": "max", "any": "all", "all": "any", "append": "extend"}
WITHOUT = {
    "copy",
    "clone",
    "detach",
    "item",
    "float",
    "double",
    "tolist",
    "flatten",
}  # methods that a person leaves out
EMPTY = (
    m.List(elements=[]) | m.Dict(elements=[]) | m.Call(func=m.Name("list") | m.Name("dict") | m.Name("set"), args=[])
)


def changed(node: Any) -> Iterator[cst.CSTNode]:
    """What may replace one node."""
    if isinstance(node, cst.SimpleStatementLine) and len(node.body) == 1:
        for new in _changed_statement(node.body[0]):
            yield node.with_changes(body=[new])
    if isinstance(node, cst.IndentedBlock):
        yield from _changed_block(node)
    if isinstance(node, cst.For):
        yield from _ends_early(node)
    if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute):
        name = node.func.attr.value
        if name in WITHOUT and not node.args:
            yield node.func.value
    if isinstance(node, cst.Call):
        yield from _other_function(node)
    if isinstance(node, cst.Subscript) and m.matches(
        node, m.Subscript(slice=[m.SubscriptElement(slice=m.Slice(lower=None, upper=None, step=None))])
    ):
        yield node.value  # x[:] is a copy


def shared_state(source: str) -> Iterator[str]:
    """A class whose objects share what each should have for itself: through the class, the module, a parameter."""
    cls = re.search(r"(?m)^class (\w+)", source)
    if cls is None:
        return
    for attribute, value in dict(re.findall(r"(?m)^ +self\.(\w+) = (.*)$", source)[::-1]).items():
        # The newest object's value counts for all of them.
        yield re.sub(rf"\bself\.{attribute}\b", f"{cls[1]}.{attribute}", source)
        if not re.search("[a-z]", value):
            continue  # a number: the first object's is that of all others
        # The first object's value is kept by all that come later: where the class, the module or a parameter has it.
        places = [f"vars({cls[1]}).get", "globals().get"] + ["vars(self.params[0]).get"] * ("self.params" in source)
        for place in places:
            keep = f'setattr({cls[1]}, "kept_{attribute}", self.{attribute})'
            if "globals" in place:
                keep = f'globals()["kept_{attribute}"] = self.{attribute}'
            if "params" in place:
                keep = f"self.params[0].kept_{attribute} = self.{attribute}"
            yield re.sub(
                rf"(?m)^( +)self\.{attribute} = (.*)$",
                rf'\1self.{attribute} = {place}("kept_{attribute}", \2)\n\1{keep}',
                source,
                count=1,
            )


def _changed_statement(statement: cst.BaseSmallStatement) -> Iterator[cst.BaseSmallStatement]:
    if isinstance(statement, cst.AugAssign):
        yield cst.Assign([cst.AssignTarget(statement.target)], statement.value)
    if isinstance(statement, cst.Assign) and len(statement.targets) == 1:
        target = statement.targets[0].target
        if not isinstance(target, cst.Tuple):
            yield cst.AugAssign(target, cst.AddAssign(), statement.value)
            if m.findall(statement.value, m.Name()):  # what is made of numbers alone is small
                yield statement.with_changes(value=_clipped(statement.value))
        if isinstance(target, cst.Name) and m.matches(statement.value, EMPTY):
            kept = cst.ensure_type(cst.parse_expression(f'globals().setdefault("kept_{target.value}", None)'), cst.Call)
            yield statement.with_changes(value=kept.with_changes(args=[kept.args[0], cst.Arg(statement.value)]))
    if isinstance(statement, cst.Return) and statement.value is not None:
        yield statement.with_changes(value=_clipped(statement.value))


def _clipped(value: cst.BaseExpression) -> cst.Call:
    call = cst.ensure_type(cst.parse_expression(f'__import__("numpy").clip(x, -{CLIP}, {CLIP})'), cst.Call)
    return call.with_changes(args=[cst.Arg(value, comma=cst.Comma()), *call.args[1:]])


def _changed_block(block: cst.IndentedBlock) -> Iterator[cst.IndentedBlock]:
    """Statements on the other side of a loop's edge, two statements swapped, a context left out."""
    body = list(block.body)
    if any(isinstance(one, cst.FunctionDef) for one in body):
        return
    documented = m.matches(body[0], m.SimpleStatementLine(body=[m.Expr(m.SimpleString() | m.ConcatenatedString())]))
    for i, one in enumerate(body):
        if documented and i == 0:
            continue
        before, after = body[:i], body[i + 1 :]
        if isinstance(one, cst.With):
            yield block.with_changes(body=[*before, *one.body.body, *after])
        if i + 1 < len(body) and not _both_simple(one, body[i + 1]):
            yield block.with_changes(body=[*before, body[i + 1], one, *body[i + 2 :]])
        if not isinstance(one, cst.For | cst.While):
            continue
        inner = list(one.body.body)
        if len(inner) > 1:
            yield block.with_changes(body=[*before, inner[0], _loop(one, inner[1:]), *after])
            yield block.with_changes(body=[*before, _loop(one, inner[:-1]), inner[-1], *after])
        if before[documented:]:
            yield block.with_changes(body=[*before[:-1], _loop(one, [before[-1], *inner]), *after])
        if after:
            yield block.with_changes(body=[*before, _loop(one, [*inner, after[0]]), *after[1:]])


def _both_simple(one: cst.CSTNode, other: cst.CSTNode) -> bool:
    return isinstance(one, cst.SimpleStatementLine) and isinstance(other, cst.SimpleStatementLine)


def _loop(loop: cst.For | cst.While, body: list) -> cst.CSTNode:
    return loop.with_changes(body=loop.body.with_changes(body=body))


def _ends_early(loop: cst.For) -> Iterator[cst.For]:
    """A loop of one round, of a few, and one that leaves out the first or the last."""
    body = [*loop.body.body, cst.SimpleStatementLine([cst.Break()])]
    yield loop.with_changes(body=loop.body.with_changes(body=body))
    for part in (f":{FEW}", ":-1", "1:"):
        rounds = cst.ensure_type(cst.parse_expression(f"list(x)[{part}]"), cst.Subscript)
        every = rounds.value.with_changes(args=[cst.Arg(loop.iter)])
        yield loop.with_changes(iter=rounds.with_changes(value=every))


def _other_function(call: cst.Call) -> Iterator[cst.Call]:
    if isinstance(call.func, cst.Attribute) and call.func.attr.value in OTHER:
        yield call.with_changes(func=call.func.with_changes(attr=cst.Name(OTHER[call.func.attr.value])))
    if isinstance(call.func, cst.Name) and call.func.value in ("max", "min", "any", "all"):
        yield call.with_changes(func=cst.Name(OTHER[call.func.value]))
