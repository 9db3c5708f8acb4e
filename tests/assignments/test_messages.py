"""What a self-check says to a student who is stuck: what was expected, what came, where to look."""

import re

import pytest

from grading.course import notebooks
from grading.course.folder import Course
from grading.execution.rehearsal import rehearse
from tests.assignments.visible import visible
from tests.conftest import ROOT

ASSIGNMENTS = ("mini-torch", "optimizers", "conditioning", "training")


NOTEBOOKS = {name: visible(name) for name in ASSIGNMENTS}
EXERCISES = [(name, exercise) for name, notebook in NOTEBOOKS.items() for exercise in notebooks.tests_of(notebook)]


def said(assignment: str, replaced: dict[str, str], exercise: str) -> list[str | None]:
    """What the visible checks of an exercise say; None where one passes."""
    tests = notebooks.tests_of(NOTEBOOKS[assignment])[exercise]
    return list(rehearse(NOTEBOOKS[assignment], replaced, only=tests).values())


def gap(assignment: str, exercise: str, text: str) -> str:
    """The solution cell with this line in every gap."""
    source = notebooks.by_id(NOTEBOOKS[assignment])[exercise].source
    return re.sub(r"### BEGIN SOLUTION.*?### END SOLUTION", text, source, flags=re.DOTALL)


@pytest.mark.parametrize(("assignment", "exercise"), EXERCISES)
def test_a_missing_answer_is_reported_as_not_written_yet(assignment, exercise):
    sources = [gap(assignment, exercise, "raise NotImplementedError")]
    if exercise != "shared_tensor":  # there the name stands for the Tensor of the exercise before
        sources.append("")
    for source in sources:
        for message in said(assignment, {exercise: source}, exercise):
            assert message.startswith(f"✗ {exercise}")
            assert "not written yet" in message


@pytest.mark.parametrize(("assignment", "exercise"), EXERCISES)
def test_an_empty_gap_gets_a_hint(assignment, exercise):
    messages = [
        message for message in said(assignment, {exercise: gap(assignment, exercise, "pass")}, exercise) if message
    ]
    assert messages
    for message in messages:
        told = r"should|not written yet|Something is None|is a `return` missing|the same as in the self-check"
        assert re.search(told, message), message


BROKEN_BASE = """
class Optimizer:
    def __init__(self, params):
        self.parameters = params
"""


def test_a_broken_base_class_costs_the_optimizers_nothing():
    for exercise in ("momentum", "adam", "adagrad"):
        assert set(said("optimizers", {"optimizer": BROKEN_BASE}, exercise)) == {None}
    assert None not in said("optimizers", {"optimizer": BROKEN_BASE}, "optimizer")


@pytest.mark.parametrize(
    ("assignment", "exercise", "change", "words"),
    [
        (
            "optimizers",
            "adam",
            ("param.value = param.value", "param.value = None and param.value"),
            "has the value None",
        ),
        ("optimizers", "momentum", ("param.value = param.value - self.v[i]", "param.value = param"), "is a Tensor"),
        (
            "optimizers",
            "momentum",
            ("eta=0.4, gamma", "rate=0.4, gamma"),
            "Keep the names and the order of the arguments",
        ),
        ("optimizers", "rmsprop", ("self.s[i] + self.eps", "-self.s[i]"), "a root or a logarithm of a negative number"),
        ("optimizers", "torch_train", ("return path", "return 7"), "should return a list of points; yours is 7"),
        ("mini-torch", "tensor", ("self.operations = []", "pass"), "raised AttributeError"),
        ("mini-torch", "numerical_gradient", ("return gradient", "return 7"), "should be a list of 2, yours is 7"),
        ("mini-torch", "pow", ("(self.n - 1)", "(self.n - 2)"), "Look at the factor in front and at the new exponent"),
        ("mini-torch", "topological_order", ("order.append(", "order.add("), "`append` adds to a list"),
        ("mini-torch", "tanh", ("math.tanh(self.value)", "math.tanh(self)"), "of a tensor take its `.value`"),
        ("mini-torch", "add", ("self.left.grad +=", "self.left.gard +="), "Did you mean `grad`?"),
        ("mini-torch", "mul", ("self.right.value *", "self.right *"), "which `.value` or `.grad` do you need here?"),
        ("mini-torch", "pow", ("** (self.n - 1)", "^ (self.n - 1)"), "A power is written `**`"),
        ("mini-torch", "tensor", ("result.operations", "result.operation"), "has an attribute `operation`"),
        (
            "mini-torch",
            "tensor",
            ("reversed(self.operations)", "self.operations.reverse()"),
            "`reverse` and `shuffle` change",
        ),
        ("mini-torch", "topological_order", ("visit(source)", "visit(sources)"), "should be called with one node"),
        ("mini-torch", "shared_tensor", ("result.operation =", "result.operations ="), "is it spelled right?"),
        ("mini-torch", "shared_tensor", ("reversed(order)", "order"), "go through the order from its end?"),
        ("mini-torch", "numerical_gradient", ("f(*above)", "f(above)"), "with a star: `f(*values)`"),
        ("optimizers", "momentum", ("self.v[i]", "self.v"), "take one element of it, such as `self.v[i]`"),
        ("optimizers", "momentum", ("self.v[i] = ", "v = "), "`self.v` is still 0"),
        ("optimizers", "adagrad", ("math.sqrt(", "sqrt("), "Did you mean `math.sqrt`"),
        ("optimizers", "torch_train", (", requires_grad=True", ""), "is `requires_grad=True` missing"),
        ("mini-torch", "tanh", ("math.tanh(self.value)", "tanh(self.value)"), "For numbers there is `math.tanh`"),
        ("mini-torch", "tanh", ("math.tanh(self.value)", "np.tanh(self)"), "For numbers there is `math.tanh`"),
        ("mini-torch", "tanh", ("math.tanh(self.value)", "self.value.tanh()"), "Did you mean `math.tanh(...)`?"),
        ("mini-torch", "tanh", ("math.tanh(self.value)", "torch.tanh(self.value)"), "For a plain number `math` has"),
        ("optimizers", "train", ("f_2d(x1, x2)", "f_2d(x1_init, x2_init)"), "Was it computed from plain numbers"),
        ("optimizers", "gradient_descent", ("* param.grad", "* grad"), "Did you mean `param.grad`?"),
        ("optimizers", "momentum", ("enumerate(self.params)", "enumerate(range(self.params))"), "`range(len(values))`"),
        ("optimizers", "torch_train", ("torch.float64", "torch.int64"), "floating-point numbers can have a gradient"),
        ("optimizers", "adam", ("self.eps = eps", "Adam.eps = eps"), "Each optimizer keeps its own hyperparameters"),
        (
            "training",
            "fit",
            ("scheduler.step()", "scheduler.step(optimizer)"),
            "arises inside the function that this line",
        ),
        ("conditioning", "steps_needed", (", axis=1", ""), "was an `axis=` forgotten"),
        ("conditioning", "preconditioned_gd", ("P @ gradient", "P * gradient"), "`@` multiplies matrices"),
        ("training", "get_batches", ("yield X", "return X"), "Is `return` in the place of `yield`?"),
        ("training", "get_batches", ("y[rows]", "y(rows)"), "an index has [ ]"),
        ("training", "momentum_update", ("return w + v, v", "return w + v"), "yours returned one"),
        ("training", "train_epoch", ("model(X_batch), y_batch", "y_batch, model(X_batch)"), "loss_fn(logits, y_batch)"),
        ("training", "evaluate", ("torch.no_grad()", "torch.no_grad"), "are the parentheses missing?"),
        ("training", "adamw", ("param *= ", "param = param * "), "Yours did not move"),
        ("conditioning", "rotated", ("R.T", "R.T()"), "an attribute such as `.T` has no parentheses"),
        ("mini-torch", "hand_gradient", ("0.2 * x1, 4", "[0.2 * x1], 4"), "a number; yours is the list [-1.0]"),
        ("mini-torch", "tensor", (", Add(self, other, result)]", ", Add]"), "is the class Add itself"),
        ("mini-torch", "topological_order", ("    visit(root)\n", ""), "gives an empty list. Does anything visit 'z'"),
        ("mini-torch", "zero_grad", ("param.grad = 0.0", "param = 0.0"), "It is as before: assign to the attribute"),
        ("mini-torch", "zero_grad", ("param.grad = 0.0", "param.zero_grad()"), "`.value` and `.grad`, and no methods"),
        ("optimizers", "gradient_descent", ("= param.value - ", "=- "), "That is the way alone: `x -= way`"),
        ("optimizers", "gradient_descent", ("* param.grad", "* param.gradient"), "Did you mean `grad`?"),
        ("optimizers", "momentum", ("param.value - self.v[i]", "param.value + self.v[i]"), "look at the sign"),
        ("optimizers", "torch_train", ("b], **hyperparameters", "b], hyperparameters"), "handed over with two stars"),
        (
            "conditioning",
            "newton_step",
            ("-np.linalg.solve(hessian, gradient)", "-gradient / hessian"),
            "entry by entry",
        ),
        ("conditioning", "steps_needed", ("axis=1", "axis=0"), "`np.linalg.norm(path, axis=1)`"),
        ("conditioning", "best_learning_rate", ("min(eigenvalues)", "eigenvalues.min()"), "Did you mean `min(...)`?"),
        (
            "conditioning",
            "momentum_rate",
            ("eigvals(momentum_matrix(lam, eta, gamma))", "eigvals(momentum_matrix)"),
            "with ( )?",
        ),
        ("conditioning", "preconditioned_gd", ("[np.array(x0, dtype=float)]", "x0"), "A single number is where"),
        ("conditioning", "steps_for_a_digit", ("math.log(0.1) / math.log(999 / 1001)", "'1151'"), "yours is '1151'"),
        ("training", "momentum_update", ("return w + v, v", "return v, w + v"), "These numbers came in another place"),
        (
            "training",
            "fit",
            ("valid_loss, valid_accuracy = ", "valid_accuracy, valid_loss = "),
            "These numbers came in another place",
        ),
        ("training", "fit", ("loss_fn, optimizer))", "optimizer, loss_fn))"), "are its arguments in the right order"),
        ("training", "fit", ('optimizer.param_groups[0]["lr"]', "optimizer.lr"), "`optimizer.param_groups[0]"),
        ("training", "sgd", ("w, X_batch, y_batch)", "X_batch, y_batch, w)"), "are its arguments in the right order"),
        ("training", "sgd", ("return w, losses", "return losses, w"), "in this order; yours returns the losses first"),
        ("training", "sgd", ("append(mse(w, X, y))", "append(mse)"), "is the function mse itself"),
        ("training", "get_batches", ("start + batch_size]", "batch_size]"), "ends batch_size after its start"),
        ("training", "get_batches", ("        yield", "    yield"), "is `yield`, or `append`, inside the loop?"),
        ("training", "adamw", ("self.s[i] = beta1", "self.s = beta1"), "was `self.s = ...` written for `self.s[i]"),
        ("training", "evaluate", ("model.eval()", "eval(model)"), "with the model in front: `model.eval()`"),
        ("training", "evaluate", ("= model.training", "= model.train()"), "says `model.training`, True or False"),
        (
            "mini-torch",
            "hand_gradient",
            ("return 0.2 * x1, 4 * x2", "return {'x1': 1, 'x2': 2}"),
            "yours returns {'x1'",
        ),
        ("mini-torch", "mul", ("self.right.value * ", "self.result.value / self.left.value * "), "divisor can be 0"),
        ("mini-torch", "zero_grad", ("param.grad = 0.0", "param.grad == 0.0"), "It is as before: assign"),
        ("mini-torch", "tanh", ("self.base.grad += ", "self.base.grad == "), "a sum alone, or `==`, changes nothing"),
        ("mini-torch", "tensor", ("self.value + other.value", "self.value + other"), "A plain number meets a Tensor"),
        (
            "mini-torch",
            "tensor",
            ("Add(self, other, result)]", "Add(self.value, other.value, result)]"),
            "not their values; yours holds 3 and -2",
        ),
        ("mini-torch", "topological_order", ("[], set()", "[], {}"), "an empty set is `set()`"),
        (
            "mini-torch",
            "numerical_gradient",
            ("above, below = list(values), list(values)", "above = below = list(values)"),
            "both names stand for one list",
        ),
        ("optimizers", "train", ("optimizer.zero_grad()", "x1.zero_grad()"), "belongs to the optimizer"),
        ("optimizers", "train", ("optimizer.step()", "optimizer.step(loss)"), "has nothing in its ( )"),
        ("optimizers", "optimizer", ("def zero_grad(self):", "def zero_grad():"), "first one is `self`"),
        (
            "optimizers",
            "nesterov",
            ("- self.gamma * self.v[i] - self.eta * param.grad", "- self.gamma * (self.v[i] - self.eta * param.grad)"),
            "or do two terms cancel",
        ),
        (
            "optimizers",
            "adagrad",
            ("math.sqrt(self.s[i] + self.eps) * param.grad", "(math.sqrt(self.s[i] + self.eps) * param.grad)"),
            "the gradient is -1, which hides much",
        ),
        (
            "optimizers",
            "rmsprop",
            ("(1 - self.gamma) * param.grad", "1 - self.gamma * param.grad"),
            "are the parentheses right?",
        ),
        (
            "optimizers",
            "torch_train",
            ("append((a.item(), b.item()))\n    return", "append(a.item(), b.item())\n    return"),
            "is a pair meant",
        ),
        (
            "conditioning",
            "gd_rate",
            ("np.max(np.abs(1 - eta * np.asarray(eigenvalues)))", "max(abs(1 - eta * lam for lam in eigenvalues))"),
            "`max(abs(x) for x in values)`",
        ),
        ("conditioning", "best_momentum", ("rate**2", "rate^2"), "A power is written `**`"),
        ("conditioning", "newton_step", ("-np.linalg", "x - np.linalg"), "does your function get it, as an argument?"),
        ("conditioning", "steps_needed", ("np.asarray(path), axis=1", "path[:, 0]"), "takes one index at a time"),
        ("training", "stationary_point", ('"saddle"', "saddle"), "a text needs quotes"),
        ("training", "get_batches", ("start : start", "start, start"), "A slice has a colon"),
        ("training", "train_epoch", ("model(X_batch)", "X_batch"), "does the loss not use the parameters at all"),
        ("training", "train_epoch", ("    return total", "        return total"), "Does `return` come after the loop?"),
        ("training", "fit", ("valid_loader, loss_fn)", "valid_loader)"), "This call leaves an argument out"),
        ("training", "adamw", ("self.lr, self.betas", "lr, self.betas"), "Is it kept in `__init__`"),
        ("training", "adamw", ("[0 for _ in self.params]", "0"), "should there be one for each parameter?"),
    ],
)
def test_a_message_says_where_to_look(assignment, exercise, change, words):
    source = notebooks.by_id(NOTEBOOKS[assignment])[exercise].source
    assert change[0] in source
    messages = said(assignment, {exercise: source.replace(*change)}, exercise)
    assert any(message and words in message for message in messages), messages


def test_moving_a_parameter_before_its_velocity_is_reported():
    source = notebooks.by_id(NOTEBOOKS["optimizers"])["momentum"].source
    velocity = "self.v[i] = self.gamma * self.v[i] + self.eta * param.grad"
    move = "param.value = param.value - self.v[i]"
    late = source.replace(velocity, "#").replace(move, f"{move}\n            {velocity}")
    assert "in the second step only" in said("optimizers", {"momentum": late}, "momentum")[0]


def test_a_missing_attribute_of_another_object_is_not_blamed_on_self():
    source = notebooks.by_id(NOTEBOOKS["optimizers"])["gradient_descent"].source.replace("* param.grad", "* grad")
    assert "`self.grad`" not in said("optimizers", {"gradient_descent": source}, "gradient_descent")[0]


def test_an_overwritten_given_name_is_reported():
    for message in said("optimizers", {"gradient_descent": "x1 = -5.0\nGradientDescent = None"}, "gradient_descent"):
        assert "you have overwritten `x1`" in message


def test_the_tensor_of_a_later_exercise_is_recognized():
    later = notebooks.by_id(NOTEBOOKS["mini-torch"])["shared_tensor"].source
    messages = said("mini-torch", {"tensor": later}, "tensor")
    assert any(message and "run the cell of Exercise 5 again" in message for message in messages)


MOVES_WITHOUT_GRADIENT = """
class GradientDescent(Optimizer):
    def __init__(self, params, eta=0.4):
        super().__init__(params)
        self.eta = eta

    def step(self):
        for param in self.params:
            param.value = param.value - self.eta * (param.grad or 1.0)
"""


def test_a_message_says_when_the_gradient_was_0():
    source = notebooks.read(Course(ROOT).source("optimizers"))
    only = ["test_gradient_descent", "test_gradient_descent_parameters"]
    said = rehearse(source, {"gradient_descent": MOVES_WITHOUT_GRADIENT}, only=only, hidden_only=True)
    assert re.search(r"step 4: x2 should be .* The gradient of x2 was 0 in that step\.$", said[only[1]])
    wrong = MOVES_WITHOUT_GRADIENT.replace("(param.grad or 1.0)", "2 * param.grad")
    said = rehearse(source, {"gradient_descent": wrong}, only=only, hidden_only=True)
    assert all("should be" in message and "was 0" not in message for message in said.values())
