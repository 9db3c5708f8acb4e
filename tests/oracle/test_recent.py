"""What is worked out once is not worked out again, until there is too much of it."""

from grading.oracle.recent import Recent, remembered


def test_the_oldest_entry_is_dropped_first():
    recent = Recent(2)
    for number in (1, 2, 3):
        recent[number] = number
    recent[2] = 5
    assert list(recent.items()) == [(2, 5), (3, 3)]


def test_a_cached_result_is_computed_once_and_cannot_be_changed_by_callers():
    calls = []

    @remembered
    def doubled(values, by=2):
        calls.append(values)
        return [value * by for value in values]

    doubled([1, 2]).append("spoiled")
    assert doubled([1, 2]) == [2, 4]
    assert doubled([1, 2], by=3) == [3, 6]
    assert calls == [[1, 2], [1, 2]]
