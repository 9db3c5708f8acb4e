"""What executing a submission needs and takes seconds to import: loaded once, and all workers are forked from it.

See `workers.make_pool`.
"""

import gc

import torch
import torch._dynamo  # the first step of a torch optimizer would import it

import grading.diagnosis
import grading.execute
import grading.oracle.autodiff
import grading.oracle.optimizers
import grading.oracle.training  # noqa: F401

torch.set_num_threads(1)  # as many processes as cores are enough
# No collection in a worker looks at, and so copies, the memory that all of them share.
gc.collect()
gc.freeze()
