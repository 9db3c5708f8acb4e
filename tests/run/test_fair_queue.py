"""One student's flood, or slow notebooks, delay the others by no more than their share."""

from grading.run.fair_queue import SLOW, FairQueue


def test_the_student_who_has_used_least_is_next():
    queue: FairQueue[str] = FairQueue(jobs=1)
    for task in ("first", "second", "third"):
        queue.put("flood", task)
    queue.put("ada", "only")
    assert queue.take(now=0.0) == ("flood", "first")
    assert queue.take(now=0.0) is None, "one job at once"
    queue.done("flood", now=2.0)
    assert queue.take(now=2.0) == ("ada", "only")
    queue.done("ada", now=2.5)
    assert queue.take(now=2.5) == ("flood", "second")


def test_a_student_has_one_task_at_a_time():
    queue: FairQueue[int] = FairQueue(jobs=4)
    queue.put("ada", 1)
    queue.put("ada", 2)
    assert queue.take(now=0.0) == ("ada", 1)
    assert queue.take(now=0.0) is None
    queue.done("ada", now=1.0)
    assert queue.take(now=1.0) == ("ada", 2)


def test_slow_tasks_leave_room_for_others():
    queue: FairQueue[int] = FairQueue(jobs=1, slow=1)
    for student in ("loop", "ada", "bob"):
        queue.put(student, 1)
    assert queue.take(now=0.0) == ("loop", 1)
    assert queue.take(now=1.0) is None
    assert queue.take(now=SLOW + 1) == ("ada", 1)
    assert queue.take(now=2 * SLOW + 2) is None, "no more than one slow task beside the jobs"


def test_retries_start_when_nothing_else_waits():
    queue: FairQueue[str] = FairQueue(jobs=2)
    queue.put("slow", "first")
    queue.put("slow", "second")
    queue.put("ada", "only")
    assert queue.take(now=0.0) == ("slow", "first")
    queue.done("slow", now=1.0)
    queue.put_last("slow", "first again")
    assert queue.take(now=1.0) == ("ada", "only"), "although this one came later"
    assert queue.take(now=1.0) is None, "something is still running"
    queue.done("ada", now=2.0)
    assert queue.take(now=2.0) == ("slow", "first again")
    queue.put("bob", "only")
    assert queue.take(now=2.0) == ("bob", "only"), "others go on beside it"
    queue.done("slow", now=3.0)
    assert queue.take(now=3.0) == ("slow", "second"), "a student's attempts stay in order"


def test_old_use_counts_less():
    queue: FairQueue[int] = FairQueue(jobs=1)
    queue.put("ada", 1)
    queue.take(now=0.0)
    queue.done("ada", now=100.0)
    assert queue.used("ada", now=100.0) == 100.0
    assert queue.used("ada", now=700.0) == 50.0
    assert queue.used("bob", now=700.0) == 0.0


def test_an_empty_queue_has_nothing_to_give():
    queue: FairQueue[int] = FairQueue(jobs=1)
    assert len(queue) == 0 and queue.take() is None
