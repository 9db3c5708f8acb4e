"""Pseudonyms: the same everywhere, and not to be computed from the id alone."""

from grading.report.pseudonyms import Pseudonyms


def test_pseudonyms_are_stable_within_a_course_and_differ_between_courses(tiny, released, tmp_path):
    from grading.course.folder import Course

    first, again = Pseudonyms(tiny, ["ada", "bob"]), Pseudonyms(tiny, ["bob", "cleo", "ada"])
    assert first.name("ada") == again.name("ada") != first.name("bob")
    assert Pseudonyms(Course(tmp_path / "other"), ["ada"]).name("ada") != first.name("ada")


def test_ids_in_a_text_are_replaced_where_they_are_words(tiny):
    names = Pseudonyms(tiny, ["ada", "ada.l", "bob"])
    words = names.text("submitted/ada/x.ipynb and ada.l, not adapted")
    assert words == f"submitted/{names.name('ada')}/x.ipynb and {names.name('ada.l')}, not adapted"


def test_names_and_addresses_of_the_class_list_are_replaced(tiny):
    lines = "id,first_name,last_name,email\nada,Ada,Lovelace,ada@example.org\nbob,Bo,Lovelace-King,b@example.org\n"
    (tiny.root / "students.csv").write_text(lines, encoding="utf-8")
    names = Pseudonyms(tiny, ["ada", "bob"])
    words = names.text("Ada Lovelace, ada@example.org: see Lovelace-King, or Ada; Adagrad stays")
    ada, bob = names.name("ada"), names.name("bob")
    assert words == f"{ada}, {ada}: see {bob}, or {ada}; Adagrad stays"
