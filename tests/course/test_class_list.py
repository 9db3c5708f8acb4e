"""students.csv: every spelling that a spreadsheet writes, and every fault with its line."""

from datetime import timedelta

import pytest

from grading.course import class_list
from grading.course.errors import CourseError


def write(course, text: str, encoding: str = "utf-8") -> dict[str, class_list.Student]:
    (course.root / "students.csv").write_text(text, encoding=encoding)
    return class_list.read(course)


def test_a_missing_class_list_is_read_as_empty(tiny):
    assert class_list.read(tiny) == {}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_columns_may_have_any_order_and_delimiter(tiny, delimiter):
    lines = ["last_name,id,group", "Łuczak,ada,red", '"de ""la"" Cruz",bob,red', ",,", "Ng,cleo,blue"]
    found = write(tiny, "\n".join(lines).replace(",", delimiter) + "\n", "utf-8-sig")
    assert [s.last_name for s in found.values()] == ["Łuczak", 'de "la" Cruz', "Ng"]
    assert class_list.groups(found, "averages") == {"red": ["ada", "bob"], "blue": ["cleo"]}


def test_extensions_are_read(tiny):
    found = write(tiny, "id,extensions\nada,averages: 3 days\nbob,1.5\ncleo,\n")
    assert [s.extension("averages") for s in found.values()] == [timedelta(3), timedelta(1.5), timedelta(0)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name\nada\n", "has no column `id`"),
        ("id,nmae\nada,x\n", "there is no column `nmae`"),
        ("id\nada\nada\n", "line 3: the id ada occurs twice"),
        ("id,email\n../x,a@b\n", "line 2: '../x' cannot be an id"),
        ("id,email\n,a@b\n", "line 2: '' cannot be an id"),
        ("id,extensions\nada,medians: 3\n", 'the extension "medians: 3" should read'),
        ("id,extensions\nada,soon\n", 'the extension "soon" should read'),
    ],
)
def test_faults_name_the_line(tiny, text, words):
    with pytest.raises(CourseError) as error:
        write(tiny, text)
    assert words in str(error.value)


def test_another_encoding_is_refused_with_a_message(tiny):
    with pytest.raises(CourseError, match="is not UTF-8"):
        write(tiny, "id,last_name\nada,Müller\n", "latin-1")
