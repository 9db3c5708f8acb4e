"""End this process with the grader. The process that forks workers imports this first, see `workers.make_pool`.

Multiprocessing alone would wait for the workers to end, and a worker that waits for work waits for that process.
"""

import gc

from grading.compat.process import spare_grammar
from grading.execution.workers import end_with_parent

end_with_parent()
spare_grammar()
# Garbage collection between imports takes an eighth of the time; `forkserver_preload` turns it on again.
gc.disable()
