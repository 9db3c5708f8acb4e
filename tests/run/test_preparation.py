"""The references are worked out before the first attempt, in each process."""

import time

from grading.course import notebooks
from grading.execution.workers import make_pool
from grading.run.preparation import Preparation

MARK = "import os, pathlib, time\npathlib.Path(f'prepared-{os.getpid()}').touch()\ntime.sleep(0.5)\n"


def test_each_process_prepares_each_assignment_once(tiny):
    path = tiny.source("averages")
    source = notebooks.read(path)
    first = next(cell for cell in source.cells if notebooks.kind(cell) == "solution")
    first.source = MARK + first.source
    notebooks.write(source, path)
    with make_pool(2) as pool:
        preparation = Preparation(tiny, ["averages"], pool, 2)
        for _ in range(3):
            preparation.go_on()
        deadline = time.monotonic() + 60
        while len(list(tiny.root.glob("prepared-*"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
    assert len(list(tiny.root.glob("prepared-*"))) == 2


def test_a_notebook_that_fails_stops_nothing(tiny):
    tiny.source("averages").write_text("no notebook", encoding="utf-8")
    with make_pool(1) as pool:
        preparation = Preparation(tiny, ["averages"], pool, 1)
        preparation.go_on()
        assert pool.submit(int, "5").result() == 5
        preparation.go_on()
