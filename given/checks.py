"""The self-checks and the scoreboard. You need not read this cell: run it once, it prints nothing."""

import builtins
import contextlib
import difflib
import dis
import html
import inspect
import itertools
import math
import os
import re
import sys
import traceback
import types

NOTEBOOK = globals()  # what you and the notebook write


class NotYet(AssertionError):
    """A self-check that failed. Jupyter shows its message and leaves out the stack of calls."""

    def _render_traceback_(self):
        return str(self).splitlines()


class Apart(dict):
    """Names for given code: first the given ones, also where you use the same names, then those of the notebook."""

    def __missing__(self, name):
        return self_check.given[name] if name in self_check.given else NOTEBOOK[name]


GIVEN = Apart(__name__="__main__")
GIVEN_FILES = set()  # where given code was compiled, to tell its lines from yours


def look_apart(thing):
    """A copy of a function that looks its names up in `GIVEN`; a class is changed; other things are left alone."""
    if isinstance(thing, types.FunctionType) and thing.__globals__ is NOTEBOOK:
        GIVEN_FILES.add(thing.__code__.co_filename)
        copy = types.FunctionType(thing.__code__, GIVEN, thing.__name__, thing.__defaults__, thing.__closure__)
        copy.__kwdefaults__, copy.__doc__ = thing.__kwdefaults__, thing.__doc__
        return copy
    if inspect.isgeneratorfunction(getattr(thing, "__wrapped__", None)):
        return contextlib.contextmanager(look_apart(thing.__wrapped__))
    if isinstance(thing, (staticmethod, classmethod)):
        return type(thing)(look_apart(thing.__func__))
    if isinstance(thing, property):
        return property(look_apart(thing.fget), look_apart(thing.fset), look_apart(thing.fdel))
    if isinstance(thing, type) and thing.__module__ == GIVEN["__name__"]:
        for key, part in list(vars(thing).items()):
            if isinstance(part, (types.FunctionType, staticmethod, classmethod, property)):
                setattr(thing, key, look_apart(part))
    return thing


def keep_apart(names):
    """Keep given names for given code, which then works even if you use the same names for something else."""
    new = [
        name for name in names.split() if not isinstance(GIVEN.get(name), types.ModuleType)
    ]  # the first import counts
    GIVEN.update({name: NOTEBOOK[name] for name in new})
    for name in new:
        NOTEBOOK[name] = GIVEN[name] = look_apart(GIVEN[name])
        if name in self_check.given:
            self_check.given[name] = GIVEN[name]


def exercise_of(name):
    """The exercise that a self-check belongs to."""
    return name.replace(":", ",").partition(",")[0]


class self_check:
    """`@self_check("momentum")` runs the function below it as a self-check, says how it went, and keeps it for the scoreboard.

    What the function names is its own: your code does not see it, and it does not see your code's helpers in place of
    the given ones. `with self_check("momentum"):` does the same inside a function.

    With `form_only` it looks at the form of an answer alone: whether it is right is seen when it is graded.

    `builds_on` names the earlier exercises that it uses. While the notebook is graded such a check is only shown: the
    hidden tests below it decide, which know right answers to those.
    """

    exercises = {}  # for each exercise: what you write, and the points of its checks; filled in below
    given = {}  # what the checks need besides your work, to notice that it was overwritten
    results = {}  # for each check that was run: how it ended, in words, and what you had written then

    def __init__(self, name, form_only=False, builds_on=()):
        self.name, self.form_only, self.builds_on = name, form_only, builds_on
        self.exercise = exercise_of(name)

    def __call__(self, test):
        with self:
            look_apart(test)()
        return NOTEBOOK.get(test.__name__)  # the name of the function is given back

    def __enter__(self):
        return self

    def __exit__(self, kind, error, stack):
        if error is None:
            self.keep("answered" if self.form_only else "passed")
            if self.form_only:
                print(f"✓ {self.name}: your answer can be graded. Whether it is right is not checked here.")
            else:
                print(f"✓ {self.name}: this self-check passes.")
            return False
        if not isinstance(error, Exception):
            return False
        message = self.explain(error, stack)
        for name, thing in self_check.given.items():
            if NOTEBOOK.get(name) is not thing:
                message += f"\n  Note: you have overwritten `{name}`, which the notebook made. Run the cell that makes it, then this one."
        for name in NOTEBOOK:
            if name[:1] != "_" and callable(getattr(builtins, name, None)) and not callable(NOTEBOOK[name]):
                message += f"\n  Note: you use the name `{name}`, which hides Python's own. Rename yours, then run `del {name}`."
        message = self.with_what_failed_before(error, message)
        if self.builds_on and os.environ.get("NBGRADER_EXECUTION") == "autograde":
            print(
                f"{message}\n  This check builds on earlier exercises. The hidden tests decide about its points: they know right answers to those."
            )
            return True
        raise NotYet(message) from None

    def with_what_failed_before(self, error, message):
        """Keep the message, and say the same thing once only: what follows from an earlier failure points there."""
        first = next(
            (other for other, said in self.failures() if said.splitlines()[0] == message.splitlines()[0]), None
        )
        unwritten = message.startswith("not written yet")
        self.keep(message)
        if first is not None and "\n  Note: " not in message and not isinstance(error, NotYet) and not unwritten:
            return f'✗ {self.name}: the same as in the self-check "{first}" above. Fix that one first.'
        for name in without_self(NOTEBOOK.get(written_in(self.exercise))):
            if f"`self.{name}`" not in message:
                message += f"\n  Note: a method uses `{name}` without `self.` in front. Did you mean `self.{name}`?"
        if first is None and not unwritten:
            earlier = next((other for other, said in self.failures() if not said.startswith("not written yet")), None)
            if earlier is None:
                before = self_check.results.items()
                earlier = next(
                    (
                        other
                        for other, (said, _) in before
                        if exercise_of(other) in self.builds_on and said not in ("passed", "answered")
                    ),
                    None,
                )
            if earlier is not None:
                message += (
                    f'\n  The self-check "{earlier}" above fails, too. Fix that one first: it may be the cause of this.'
                )
        return f"✗ {self.name}: {message}"

    def failures(self):
        """The earlier self-checks of this exercise that failed on the very same answer: their names, and what they said."""
        mine = NOTEBOOK.get(written_in(self.exercise))
        names = self_check.exercises.get(self.exercise, (None, {}))[1]
        for name in names:
            if name == self.name:
                return
            said, then = self_check.results.get(name, ("passed", None))
            if then is mine and said not in ("passed", "answered"):
                yield name, said

    def keep(self, result):
        """Note the result, and the object that the exercise's name had then."""
        self_check.results[self.name] = result, NOTEBOOK.get(written_in(self.exercise))

    def explain(self, error, stack):
        """What to tell a student about an exception."""
        mine = written_in(self.exercise)
        if isinstance(error, NotYet):
            return str(error)
        if isinstance(error, NotImplementedError) and (not str(error) or str(error).startswith("This gap")):
            return "not written yet. Fill in the gap above (replace the line `raise NotImplementedError`), run that cell, then this one."
        if isinstance(error, NameError) and getattr(error, "name", None) == mine:
            return f"not written yet: there is no `{mine}`. Fill in the gap above, run that cell, then this one. (If that cell shows an error, fix that first.)"
        given = {
            part.__code__.co_filename for part in self_check.given.values() if isinstance(part, types.FunctionType)
        }
        here = {*GIVEN_FILES, *given, stack.tb_frame.f_code.co_filename}
        frames = traceback.extract_tb(stack)
        own = [frame for frame in frames if "/lib/python" not in frame.filename and frame.filename not in here]
        line = (own or frames)[-1].line
        where = f"\n  in the line: {line}" if line else ""
        while stack.tb_next is not None:
            stack = stack.tb_next
        inside = bool(own) and frames[-1] not in own  # in a function that your line calls
        in_given = inside and "/lib/python" not in frames[frames.index(own[-1]) + 1].filename
        meant = None if in_given else did_you_mean(error, stack.tb_frame.f_locals)
        own_name = stands_for_own(error, stack.tb_frame)
        kind, text = type(error).__name__, str(error) or "no message"
        for clue, advice in ({own_name: own_name} if own_name else ADVICE).items():
            if meant is None and (own_name or clue in f"{kind}: {text}"):
                elsewhere = (in_given and clue not in EVERYWHERE) or (inside and clue in OPERATION)
                where = f"\n  {LIBRARY if elsewhere else advice}{where}"
                break
        if meant is not None:
            text = f"{text.rstrip('.')}. Did you mean {meant}?"
        if isinstance(error, NameError):
            return f"{text if meant else text.rstrip('.') + '.'}{where}"
        who = "your code raised" if own else "this check cannot continue with what your code returned:"
        return f"{who} {kind}: {text}{where}"


LIST = (
    "A whole list is here: take one element of it, such as `self.v[i]`, or where arrays are in use make one of it, "
    "`np.array(values)`. To join lists, both must be lists: `a + [x]`."
)
LIBRARY = (
    "The error arises inside the function that this line calls: are its arguments in the right order, is one of them "
    "wrong, or one too many?"
)
OPERATION = ("unsupported operand", "not supported between")  # inside a library these are no typing errors
EVERYWHERE = ("NoneType", "NotImplementedError", "RecursionError")  # helps in whichever function it arises
NUMBER = "This is a plain number. Should something else be here, or should it be wrapped first?"
SETTINGS = "A dictionary of settings is handed over with two stars: `f(**settings)`."
SHAPES = "Two arrays do not fit together: print their `.shape` just before this line."
TYPES = "Two tensors hold numbers of different types: `.float()`, `.double()` or `.long()` converts one of them."
ONE_NUMBER = "One number should be here, not several: `math` takes one number; for arrays `np` has the same functions, for tensors `torch`."
TENSOR = "A plain number meets a Tensor. To compute with numbers take the tensor's `.value`; to compute with tensors, the class needs the method for this operator."
ADVICE = {  # what to do about an exception, by what it says; the first clue that fits counts
    "UnboundLocalError": "A name that a function assigns is its own: give it a value first, or did you mean an attribute of self?",
    "NameError": "Is it spelled right (a text needs quotes), and does your function get it, as an argument? If another cell defines it, run that one (menu Run > Run All Above Selected Cell), then this one.",
    "NotImplementedError": "Something cannot be done with what it was given: are the arguments in the right order, and of the right type?",
    "exceptions must derive": "`raise` needs an exception, such as `NotImplementedError`.",
    "multiple values for argument": "An argument is given twice: do several parameters belong in one list?",
    "takes 0 positional arguments": "Keep the names and the order of the arguments as the exercise gives them. A method's first one is `self`: is it missing in the line `def`?",
    "takes 1 positional argument but": "It is given more than it takes. A method gets its `self` by itself: `optimizer.step()` has nothing in its ( ).",
    "takes exactly one argument": "It takes one thing: is a pair meant, `path.append((a, b))`?",
    "required positional argument": "This call leaves an argument out: what does the line `def` of that function list? A list becomes several arguments with a star: `f(*values)`.",
    "positional argument": "Keep the names and the order of the arguments as the exercise gives them. A list becomes several arguments with a star: `f(*values)`.",
    "keyword argument": "Keep the names and the order of the arguments as the exercise gives them.",
    "NoneType": "Something is None: is a `return` or an assignment missing? Or was it not given: an argument, a gradient? (`append`, `sort`, `reverse` and `shuffle` change what they are given and return None; `backward` and `step` return None, too.)",
    "'Box' object has no attribute": "What is in `params` or in an operation has two attributes, `.value` and `.grad`, and no methods.",
    "'Box'": "An operation computes with numbers: which `.value` or `.grad` do you need here?",
    "for &": "`and` joins two conditions; `&` is something else.",
    "for ^": "A power is written `**`; `^` is something else.",
    "can't multiply sequence": LIST,
    "can only concatenate": LIST,
    "'list' and": LIST,
    "and 'list'": LIST,
    "not list": LIST,
    "'dict' and": SETTINGS,
    "and 'dict'": SETTINGS,
    "'float' and 'Tensor'": TENSOR,
    "'int' and 'Tensor'": TENSOR,
    "'Tensor' and 'float'": TENSOR,
    "'Tensor' and 'int'": TENSOR,
    "bitwise_xor": "A power is written `**`; `^` is something else.",
    "bad operand type for abs": "`abs` takes one number or an array. Is a parenthesis in the wrong place, as in `max(abs(x) for x in values)`?",
    "unsupported operand": "Python finds no method for this operator and these two types: is it written, and its name spelled right?",
    "not supported between": "These two cannot be compared: are the arguments in the right order?",
    "could not broadcast": SHAPES,
    "could not be broadcast": SHAPES,
    "shapes": SHAPES,
    "core dimension": SHAPES,
    "must match the size": SHAPES,
    "size mismatch": "Two tensors do not fit together: print their `.shape` just before this line.",
    "enough dimensions": "A single number is where a vector or a matrix should be: was one element taken of a list, or one coordinate of a point?",
    "0-dimensional array given": "A matrix should be here, and not one single thing: is a function called, with ( )?",
    "dimensional array given": "A matrix should be where a vector is: are the arguments in the right order?",
    "can require gradients": "Only a tensor of floating-point numbers can have a gradient: `dtype=torch.float64`.",
    "does not require grad": "No gradient flows to here: is `requires_grad=True` missing, was a number taken out too early (`.item()`, `.detach()`), or does the loss not use the parameters at all (`model(X_batch)`)?",
    "a leaf Variable": "A parameter is changed inside `with torch.no_grad():`, so that the change is not part of the gradient.",
    "second time": "Each backward pass needs a forward pass of its own: compute the loss again in each iteration.",
    "that requires grad": "`.detach()` frees a tensor from its gradients, `.item()` takes the number out.",
    "same dtype": TYPES,
    "scalar type": TYPES,
    "Cannot cast": "Arithmetic in place (`+=`) keeps the type of an array. Make a new array: `w = w - ...`.",
    "read-only": "This array belongs to the caller: make a new one instead of writing into it.",
    "converted to an index": "A list or a tuple meets a tensor: is one element of it meant, as in `beta1, beta2 = self.betas`?",
    "converted to": ONE_NUMBER,
    "only length-1": ONE_NUMBER,
    "must be real number": "A plain number should be here: of a tensor take its `.value`.",
    "truth value": "This compares a whole array: `.all()` or `.any()` makes one answer of many.",
    "Field elements must": "`np.array` takes one list. A matrix is a list of rows: `np.array([[1, 2], [3, 4]])`.",
    "setting an array element": "An array is made of parts of different shapes: print them. (`*` works entry by entry, `@` multiplies matrices; `np.linalg.eig` and `np.linalg.eigh` return a pair.)",
    "expected to be boolean": "`model.train()` sets a mode and returns the model; which mode it is in says `model.training`, True or False.",
    "eval() arg 1": "`eval` alone is a function of Python. The model's is called with the model in front: `model.eval()`.",
    "context manager": "After `with` comes a call, such as `torch.no_grad()`: are the parentheses missing?",
    "must be Tensor, not float": "This function of torch takes a tensor. For a plain number `math` has the same function.",
    "must be Tensor, not": "A tensor should be here. What does your loop take out? `enumerate` and `zip` give pairs.",
    "expected to be a Tensor": "The gradient of a parameter of torch is a tensor or None.",
    "'generator' object": "A generator gives its things one by one, in a `for` loop; `list(...)` makes a list of them.",
    "'function' object": "A function is here in place of what it returns: call it, `name(...)`.",
    "'method' object": "A method is here in place of what it returns: call it, `name()`.",
    "'float' object is not iterable": "A list should be here, not one number.",
    "'int' object is not iterable": "A list should be here, not one number: `range(n)` counts up to n. One element of a list is increased by `values[i] += 1`.",
    "is not iterable": "Something with elements should be here, such as a list. A tuple of one needs a comma: `(x,)`.",
    "arrays used as indices": "The numbers of rows should be here, whole numbers from 0 on.",
    "slices, not tuple": "A list of lists takes one index at a time, `path[t][0]`; an array takes two: `np.asarray(path)[t, 0]`.",
    "indices must be": "An index is a whole number: `for i in range(len(values))` gives the indices of a list, `for value in values` its elements.",
    "interpreted as an integer": "A whole number should be here, such as the length of a list in `range(len(values))`. (The larger of two numbers is `max(a, b)`; `np.max` takes one array.)",
    "'int' object is not subscriptable": "This is one number, not a list: should there be one for each parameter?",
    "'float' object is not subscriptable": "This is one number, not a list: should there be one for each parameter?",
    "not subscriptable": "[ ] takes an element of a list or an array, ( ) calls a function: which one should be here?",
    "KeyError": "There is no such key: is it spelled right, and is it what the keys are?",
    "has no attribute 'backward'": "`backward` belongs to a loss that was computed from tensors. Was it computed from plain numbers (`.value`, `.item()`), or is another object meant?",
    "'bool' object has no attribute": "A comparison gave one True or False for all: what is on its two sides? In torch, `max(dim=...)` gives a pair.",
    "'float' object has no attribute": NUMBER,
    "'int' object has no attribute": NUMBER,
    "'str' object has no attribute": "This is a text. Should something else be here, or does a function give what you need?",
    "'dict' object has no attribute": "A dictionary has no such attribute. `{}` is an empty dictionary; an empty set is `set()`.",
    "'set' object has no attribute": "A set has no such attribute: `add` adds to a set, `append` to a list.",
    "'list' object has no attribute": "A list has no such attribute. Its elements may have it, or `np.array(...)` of it; `append` adds to a list, `add` to a set.",
    "'tuple' object has no attribute": "A tuple has no such attribute. Its elements may have it: `first, second = pair` takes them out.",
    "'numpy.ndarray' object has no attribute": "An array has no such attribute: is it a function of `np`, or should a tensor be here?",
    "'Tensor' object is not callable": "A tensor is no function: an index has [ ], a product `*`.",
    "'tuple' object is not callable": "This is no function: without the parentheses it may be right, or a function should be here, such as a lambda.",
    "'numpy.ndarray' object is not callable": "An array is no function: an attribute such as `.T` has no parentheses, an index has [ ].",
    "module '": "Is it spelled right, and is it in this module?",
    "has no attribute 'zero_grad'": "`zero_grad()` belongs to the optimizer: it clears the gradients of all its parameters.",
    "has no attribute 'step'": "`step()` belongs to an optimizer or a scheduler: is another object meant?",
    "'AdamW' object has no attribute": "Is it kept in `__init__`, as in `self.lr = lr`?",
    "has no attribute 'lr'": 'An optimizer of torch keeps its learning rate in `optimizer.param_groups[0]["lr"]`.',
    "has no attribute": "Is it spelled right, and is it set in `__init__`? If another exercise uses the same name, run the cell of this one again.",
    "not callable": "The name of a function or a class has been given to something else: rename that, and run the cell of the function again.",
    "RecursionError": "Something calls itself forever: look for a function that uses itself.",
    "ZeroDivisionError": "Which divisor can be 0 here?",
    "scalar variable": "One number has no elements: was an `axis=` forgotten where it was computed?",
    "out of bounds for dimension": "A single tensor is where a list of tensors should be: was `self.s = ...` written for `self.s[i] = ...`?",
    "with size 0": "There is nothing in it here: what should happen in that case?",
    "too many indices": "A slice has a colon, `order[first:last]`; a comma separates the index of a row from that of a column.",
    "IndexError": "Python counts from 0, and the last index is one less than the length. Is the list still empty, or too short?",
    "complex": "Is there a root, or a power with a fraction, of a negative number?",
    "math domain error": "Is there a root or a logarithm of a negative number? (A square, `x**2`, is never negative.)",
}


def did_you_mean(error, names):
    """What a name may have been meant for: an attribute, a function of a module, something spelled nearly like it.

    `names` are the local names where the error arose.
    """
    name = getattr(error, "name", None)
    if isinstance(error, AttributeError) and name:
        module = {"float": "math", "int": "math", "ndarray": "np"}.get(type(error.obj).__name__)
        if module and hasattr(NOTEBOOK.get(module), name):
            return f"`{module}.{name}(...)`"
        if isinstance(error.obj, (list, tuple)) and name in ("min", "max", "sum", "len", "abs", "sorted", "reversed"):
            return f"`{name}(...)`"
        known = [other for other in dir(error.obj) if other[:1] != "_"]
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.72)
        near = near or [other for other in known if len(other) > 2 and name.startswith(other)]  # `gradient` for `grad`
        return f"`{near[0]}`" if near else None
    if not isinstance(error, NameError) or not name:
        return None
    owners = ["self", *(other for other in names if other != "self")]
    for owner in owners:
        if owner in names and hasattr(names[owner], name) and not isinstance(names[owner], type(math)):
            return f"`{owner}.{name}`"
    modules = [module for module in ("math", "np", "torch") if hasattr(NOTEBOOK.get(module), name)]
    return " or ".join(f"`{module}.{name}`" for module in modules) or None


def stands_for_own(error, frame):
    """What to say where your own function got a number, or calls itself, in place of one of `math` with its name."""
    code, name = frame.f_code, frame.f_code.co_name
    if getattr(NOTEBOOK.get(name), "__code__", None) is not code or not hasattr(math, name):
        return None
    first = frame.f_locals.get(code.co_varnames[0]) if code.co_argcount else None
    if not isinstance(error, RecursionError) and not isinstance(first, (int, float)):
        return None
    return (
        f"`{name}` is your own function here. For numbers there is `math.{name}`: give it a number, such as a `.value`."
    )


def without_self(written):
    """The names that methods of a class read from the notebook although the class has attributes of these names."""
    if not isinstance(written, type):
        return []
    methods = [method for owner in written.__mro__ for method in vars(owner).values() if hasattr(method, "__code__")]
    steps = [step for method in methods for step in dis.get_instructions(method)]
    read = {step.argval for step in steps if step.opname == "LOAD_GLOBAL"}
    stored = {
        step.argval
        for before, step in itertools.pairwise(steps)
        if step.opname == "STORE_ATTR" and before.opname == "LOAD_FAST" and before.argval == "self"
    }
    return sorted(read & stored - set(vars(builtins)))


def written_in(exercise):
    """The name of what you write in an exercise, `Momentum` for "momentum"; None if it is not known."""
    return self_check.exercises.get(exercise, (None, {}))[0]


def name_of(answer):
    """What an answer is called in the notebook: a lambda or a partial function has no name of its own."""
    written = [mine for mine, _ in self_check.exercises.values()]
    known = next((name for name in written if NOTEBOOK.get(name) is answer), None)
    return known or getattr(answer, "__name__", type(answer).__name__)


class scoreboard:
    """`scoreboard()` at the end of a cell shows the state of your exercises, as far as their self-checks were run."""

    def __init__(self):
        self.rows = [self.row(exercise) for exercise in self_check.exercises]
        self.reached, self.total = sum(row[2] for row in self.rows), sum(row[3] for row in self.rows)

    @staticmethod
    def row(exercise):
        """The exercise, its state in words, the points whose checks pass, the points of all checks."""
        mine, points = self_check.exercises[exercise]
        results = {name: self_check.results[name] for name in points if name in self_check.results}
        # Two exercises may write the same name, the second one again: then only the second is watched.
        watched = exercise == [name for name in self_check.exercises if written_in(name) == mine][-1]
        changed = [name for name, (_, then) in results.items() if watched and then is not NOTEBOOK.get(mine)]
        passed = [name for name, (result, _) in results.items() if result == "passed" and name not in changed]
        answered = [name for name, (result, _) in results.items() if result == "answered" and name not in changed]
        failures = [result for result, _ in results.values() if result not in ("passed", "answered")]
        if changed:
            state = "↻ changed since its check: run the check again"
        elif failures and all(failure.startswith("not written yet") for failure in failures):
            state = "○ not written yet"
        elif failures:
            state = "✗ failing: " + failures[0].splitlines()[0]
        elif not results:
            state = "○ not checked yet"
        elif len(passed) == len(points):
            state = "✓ done"
        elif len(answered) == len(points):
            state = "✎ answered: it is graded when you hand in"
        else:
            state = f"◐ {len(results)} of {len(points)} checks run, and passed"
        return exercise, state, sum(points[name] for name in passed), sum(points.values())

    @property
    def words(self):
        return (
            f"Self-checks pass for {self.reached} of {self.total} points. What fails here gets no points; what passes "
            "is yours when the hidden tests, which try other numbers, agree. Nothing counts that was not checked."
        )

    def __repr__(self):
        if not self.rows:
            return "The scoreboard is empty: run the cells from the top (menu Run > Run All Above Selected Cell)."
        width = max(len(row[0]) for row in self.rows)
        return "\n".join(
            [*(f"{p:3} of {n:2}  {exercise:{width}}  {s[:100]}" for exercise, s, p, n in self.rows), "", self.words]
        )

    def _repr_html_(self):
        if not self.rows:
            return None
        cell = '<td style="text-align: left; padding: 2px 10px">'
        rows = [
            f"<tr>{cell}<code>{exercise}</code></td>{cell}{html.escape(s[:200])}</td>{cell}{p} of {n}</td></tr>"
            for exercise, s, p, n in self.rows
        ]
        head = f"<tr>{cell}<b>Exercise</b></td>{cell}<b>State</b></td>{cell}<b>Points</b></td></tr>"
        return f"<table>{head}{''.join(rows)}</table><p>{self.words}</p>"


def shown(value):
    """A value in a message: numbers with up to 7 digits."""
    if value is None:
        return "None (is a `return` missing, or an assignment?)"
    try:
        if isinstance(value, (str, bool)):
            raise TypeError
        number = float(value)
        return "nan (not a number: 0/0, or the root of a negative number?)" if math.isnan(number) else f"{number:.7g}"
    except (TypeError, ValueError, OverflowError, RuntimeError):
        text = " ".join(repr(value).split())
        if isinstance(value, (types.FunctionType, types.MethodType, type)):
            what = f"class {value.__name__}" if isinstance(value, type) else f"function {value.__name__}"
            return f"the {what} itself (are the parentheses of a call missing?)"
        if " at 0x" in text:
            return f"an object of class {type(value).__name__}"
        text = re.sub(r"np\.\w+\((-?[\d.]+(?:e[-+]?\d+)?|True|False)\)", r"\1", text)  # np.float64(0.5) is 0.5
        return text if len(text) < 80 else text[:77] + "..."


def apart(expected, yours, short=None):
    """The texts of two values that differ: short ones, or all digits where the short ones are alike."""
    short = short or shown
    texts = short(expected), short(yours)
    if texts[0] == texts[1]:
        with contextlib.suppress(TypeError, ValueError, OverflowError, RuntimeError):
            expected, yours = float(expected), float(yours)
        texts = repr(expected), repr(yours)
    return texts


def expect(condition, message):
    """Fail the self-check with this message unless the condition holds."""
    if not condition:
        raise NotYet(message)


def expect_number(yours, expected, what, hint="", tolerance=1e-6):
    """Fail unless `yours` is the number `expected`, up to rounding."""
    if isinstance(yours, (str, list, tuple)):
        kind = "text" if isinstance(yours, str) else type(yours).__name__
        raise NotYet(
            f"{what} should be {shown(expected)}, a number; yours is the {kind} {shown(yours)}. {hint}".rstrip()
        )
    try:
        number = float(yours)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        number = math.nan
    if not abs(number - expected) <= tolerance * max(1.0, abs(expected)):
        right, mine = apart(expected, yours)
        raise NotYet(f"{what} should be {right}, yours is {mine}. {hint}".rstrip())


def expect_finite(yours, name):
    """Fail unless the answer to a question is a number, of whatever value."""
    try:
        number = math.nan if isinstance(yours, (str, bool)) else float(yours)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        number = math.nan
    expect(
        math.isfinite(number), f"`{name}` should be a finite number, like 3 or 0.25 or 1 / 3; yours is {shown(yours)}."
    )


@contextlib.contextmanager
def by_hand(*files, words):
    """Fail if code of a library whose path contains one of `files` runs in the block: that rule is the exercise."""
    used = []

    def watch(frame, event, argument):
        path = frame.f_code.co_filename.replace("\\", "/")
        if event == "call" and frame.f_code.co_name != "<module>" and any(part in path for part in files):
            used.append(path)

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        yield
    finally:
        sys.setprofile(before)
    expect(not used, f"{words}. Here the rule itself is the exercise: write it yourself, without it.")


def expect_choice(yours, name, *choices):
    """Fail unless the answer to a question is one of the choices, whichever."""
    listed = " or ".join(repr(choice) for choice in choices)
    expect(isinstance(yours, str) and yours in choices, f"`{name}` should be {listed}; yours is {yours!r}.")
