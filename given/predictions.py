import math

from given.checks import NOTEBOOK, NotYet, shown

# ---- The notebook's cell begins here. ----

"""Predictions: what is right is shown once you have written what you expect. You need not read this cell."""


def prediction(name):
    """What you predicted, for a cell that shows what is right: it waits until the prediction is there."""
    yours = NOTEBOOK.get(name)
    if yours is None or yours is ...:
        raise NotYet(
            f"predict first: `{name}` is still empty. Write your answer into its cell and run it, then this one."
        )
    return yours


def how_near(yours, right):
    """How near a prediction is to what was measured, in words: numbers, texts, or lists of them."""
    if isinstance(right, (list, tuple)):
        agree = isinstance(yours, (list, tuple)) and list(yours) == list(right)
        return (
            f"You predicted {shown(yours)}; it is {shown(right)}."
            if not agree
            else f"You predicted {shown(yours)}: right."
        )
    if isinstance(right, str):
        return f"You predicted {yours!r}: right." if yours == right else f"You predicted {yours!r}; it is {right!r}."
    try:
        yours, right = float(yours), float(right)
    except (TypeError, ValueError):
        return f"You predicted {shown(yours)}; it is the number {shown(right)}."
    if math.isclose(yours, right, rel_tol=1e-3):
        return f"You predicted {shown(yours)}; measured: {shown(right)}. Right."
    if yours * right <= 0 or not math.isfinite(yours):
        far = f"That is {shown(abs(yours - right))} off."
    elif 0.5 <= yours / right <= 2:
        far = f"That is {abs(yours / right - 1):.1%} off."
    else:
        far = f"That is too {'large' if abs(yours) > abs(right) else 'small'} by a factor of {shown(max(yours / right, right / yours))}."
    return f"You predicted {shown(yours)}; measured: {shown(right)}. {far}"


def reveal(name):
    """`@reveal("guess")` runs the function below it once `guess` is there, and says how near it was.

    The function shows and returns what is right. As long as there is no prediction, a sentence asks for one.
    """

    def show(measure):
        try:
            yours = prediction(name)
        except NotYet as missing:
            print(f"○ {missing}")
        else:
            print(how_near(yours, measure()))
        return NOTEBOOK.get(measure.__name__)  # the name of the function is given back

    return show
