"""The reference answers, and how a student's answer is compared with them.

`compare` finds and describes the first difference, and `inputs` draws the inputs. The other modules, one for each
assignment, contain the references: torch's own optimizers, autograd, schedulers and loops.
"""

from grading.oracle.compare import Mismatch, same_answer, same_list, same_number, same_path, same_value, that
from grading.oracle.inputs import draw, rng

__all__ = ["Mismatch", "draw", "rng", "same_answer", "same_list", "same_number", "same_path", "same_value", "that"]
