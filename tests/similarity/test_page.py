"""The page on similar submissions: what it says, what it marks, and that nothing on it can do harm."""

import re
from html import unescape

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell

from grading.course.errors import CourseError
from grading.course.folder import Course
from grading.similarity.page import report
from grading.templates import NO_SCRIPT
from tests.conftest import submit
from tests.report.test_page import words

OWN = """import heapq
# <script>alert(1)</script> the sum is kept in a heap so that no digit is lost, ada says
class Adder:
    def __init__(self, values):
        self.heap = [abs(value) for value in values]
        heapq.heapify(self.heap)

    def total(self):
        while len(self.heap) > 1:
            first, second = heapq.heappop(self.heap), heapq.heappop(self.heap)
            heapq.heappush(self.heap, first + second if first <= second else second - first)
        return self.heap.pop() if self.heap else 0.0


def mean(values):
    adder = Adder(values)
    return adder.total() / max(1, len([value for value in values if value is not None]))
"""
RENAMED = OWN.replace("Adder", "Counter").replace("heap =", "q =").replace("self.heap", "self.q").replace("first", "i")
NOTE = "I kept all numbers in a heap: adding the smallest ones first loses the fewest digits, as <b>Kahan</b> wrote."


@pytest.fixture
def course(tiny) -> Course:
    """A pair, a copy in a group of two, an independent answer, and a file that is no notebook."""
    submit(tiny, "ada", OWN, lambda notebook: notebook.cells.append(new_markdown_cell(NOTE)))
    submit(
        tiny, "b<i>ob", re.sub("#.*\n", "", RENAMED), lambda notebook: notebook.cells.append(new_markdown_cell(NOTE))
    )
    submit(
        tiny,
        "cleo",
        "def mean(values):\n    total = 0\n    for v in values:\n        total += v\n    return total / len(values)",
    )
    submit(tiny, "dan", "def mean(v):\n    return float(sum(v)) / float(len(v))")
    submit(tiny, "eve").write_text("nothing", encoding="utf-8")
    return tiny


def test_a_disguised_copy_is_marked_on_both_sides_and_nobody_else_is_named(course):
    found = report(course, "averages")
    html = found.path.read_text(encoding="utf-8")
    (pair,) = found.pairs
    assert (pair.left.name, pair.right.name) == ("ada", "b<i>ob") and found.clusters == [["ada", "b<i>ob"]]
    assert found.path == course.root / "build" / "similar" / "averages.html"
    said = words(html)
    assert "Similarity is no proof." in said and "4 notebooks compared: 1 similar pair in 1 cluster." in said
    assert "eve: submitted/eve/averages/averages.ipynb: is not a notebook" in said
    assert "cleo" not in said and "dan" not in said
    places = set(re.findall(r'id="(pair-1-(?:left|right)-\d+)"', html))
    assert places and {name.replace("left", "right") for name in places if "left" in name} <= places
    assert set(re.findall(r'href="#(pair-1-(?:left|right)-\d+)"', html)) <= places
    names = re.findall(r' id="([^"]+)"', html)
    assert len(names) == len(set(names))
    assert re.search(r'<mark class="prose"[^>]*>.*smallest ones first loses the fewest', html)


def test_what_students_write_is_only_text_on_the_page(course):
    submit(course, "ada", OWN + "\n# \u202eneddih\n")
    html = report(course, "averages").path.read_text(encoding="utf-8")
    assert NO_SCRIPT in unescape(html)
    assert "<script" not in html and "&lt;script&gt;alert(1)" in html and "b&lt;i&gt;ob" in html
    assert "b<i>" not in html and "<b>Kahan" not in html and "\u202e" not in html and "\\u202eneddih" in html


def test_nobody_can_be_recognized_on_an_anonymous_page(course):
    path = report(course, "averages", anonymous=True).path
    html = path.read_text(encoding="utf-8")
    assert path.name == "averages-anonymous.html"
    assert "digit is lost, s-" in html and not re.search(r"\b(ada|bob|eve)\b|ob\b", words(html))


def test_names_come_from_the_class_list(course):
    (course.root / "students.csv").write_text("id,first_name,last_name\nada,Ada,Lovelace\n", encoding="utf-8")
    assert "Ada Lovelace (ada)" in report(course, "averages", names=True).path.read_text(encoding="utf-8")


def test_members_of_a_group_are_no_pair(course):
    (course.root / "students.csv").write_text("id,group\nada,red\nb<i>ob,red\n", encoding="utf-8")
    found = report(course, "averages")
    assert found.pairs == [] and "0 similar pairs" in found.path.read_text(encoding="utf-8")


def test_a_group_whose_members_handed_in_one_file_is_compared_once(course):
    (course.root / "students.csv").write_text("id,group\nada,red\nfay,red\n", encoding="utf-8")
    copy = course.root / "submitted" / "fay" / "averages" / "averages.ipynb"
    copy.parent.mkdir(parents=True)
    copy.write_bytes((course.root / "submitted" / "ada" / "averages" / "averages.ipynb").read_bytes())
    assert len(report(course, "averages").pairs) == 1


def test_a_cell_that_was_cut_and_moved_is_found_and_a_huge_one_stops_nothing(course):
    def cut(notebook):
        one = next(cell for cell in notebook.cells if "class Counter" in cell.source)
        head, tail = one.source.split("def mean")
        one.source = "def mean" + tail
        notebook.cells.insert(2, new_code_cell(head))
        notebook.cells.append(new_code_cell("x = [" * 200_000))

    submit(course, "b<i>ob", RENAMED, cut)
    (pair,) = report(course, "averages").pairs
    assert pair.right.name == "b<i>ob"


def test_a_lower_threshold_is_shown_on_the_page(course):
    assert "is 0.5 of the measured one" in words(
        report(course, "averages", threshold=0.5).path.read_text(encoding="utf-8")
    )


def test_comparing_too_early_is_refused_with_a_message(tiny):
    with pytest.raises(CourseError, match="Nothing is submitted for 'averages'"):
        report(tiny, "averages")
