"""Who handed in nothing, who was refused, and who waits."""

from grading.gradebook import handed_in
from tests.marks import mark


def test_without_a_class_list_the_students_of_the_gradebook_are_the_class(tiny):
    mark(tiny, "ada")
    with tiny.gradebook() as gradebook:
        gradebook.update_or_create_student("bob")
        gradebook.update_or_create_student("participant-7")
    assert handed_in.overview(tiny, "averages").missing == ["bob"]


def test_under_blind_marking_nobody_is_listed_as_missing(tiny):
    (tiny.root / "students.csv").write_text("id\nada\n", encoding="utf-8")
    mark(tiny, "participant-7")
    assert handed_in.overview(tiny, "averages").missing is None


def test_before_the_release_everybody_is_missing(tiny):
    (tiny.root / "students.csv").write_text("id\nada\n", encoding="utf-8")
    assert handed_in.overview(tiny, "averages").missing == ["ada"]
    assert handed_in.overview(tiny, "unknown").missing == ["ada"]


def test_every_submission_is_in_one_list_only(tiny):
    mark(tiny, "ada")
    mark(tiny, "bob", state="not_gradable")
    (tiny.root / "submitted" / "cleo" / "averages").mkdir(parents=True)
    found = handed_in.overview(tiny, "averages")
    assert (found.missing, list(found.refused), found.waiting) == ([], ["bob"], ["cleo"])
