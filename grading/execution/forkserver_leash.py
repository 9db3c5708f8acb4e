"""Ends this process with the grader. `workers.make_pool` lets the process that workers are forked from import it first.

Multiprocessing alone would wait for the workers to end, and a worker that waits for work waits for that process.
"""

import gc

from grading.compat.process import spare_grammar
from grading.execution.workers import end_with_parent

end_with_parent()
spare_grammar()
# Looking for garbage between imports takes an eighth of the time; `forkserver_preload` turns it on again.
gc.disable()
