"""Ends this process with the grader. `workers.make_pool` lets the process that workers are forked from import it first.

Multiprocessing alone would wait for the workers to end, and a worker that waits for work waits for that process.
"""

from grading.workers import end_with_parent

end_with_parent()
