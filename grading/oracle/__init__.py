"""The right answers, and how an answer is held against them.

`compare` finds the first difference and says it in words; `inputs` draws what is asked; the other modules, one for each
assignment, hold the references: torch's own optimizers, autograd, schedulers and loops.
"""

from grading.oracle.compare import Mismatch, same_answer, same_list, same_number, same_path, same_value, that
from grading.oracle.inputs import draw, rng

__all__ = ["Mismatch", "draw", "rng", "same_answer", "same_list", "same_number", "same_path", "same_value", "that"]
