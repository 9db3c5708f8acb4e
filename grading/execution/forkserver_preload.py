"""What executing a submission needs and takes seconds to import: loaded once, and all workers are forked from it.

Only for the process that `workers.make_pool` forks workers from.
"""

import gc

import matplotlib.pyplot  # the notebooks of the catalogue import this, and plotly, see `grading.execution.diagnosis`
import plotly.io  # noqa: F401
import torch

import grading.execution.diagnosis
import grading.execution.execute
import grading.oracle.autodiff
import grading.oracle.conditioning
import grading.oracle.optimizers
import grading.oracle.training  # noqa: F401
from grading.probe.private import postpone_compiler

matplotlib.use("Agg")
postpone_compiler()
torch.set_num_threads(1)  # as many processes as cores are enough
# Garbage collection in a worker would copy the memory that all workers share. Collecting first would take a fifth of a
# second and gain very little.
gc.freeze()
gc.enable()
