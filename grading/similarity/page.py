"""Similar submissions on one HTML page for the instructor: clusters, pairs, and what each pair shares side by side."""

from dataclasses import dataclass
from pathlib import Path

from grading import templates
from grading.course import catalogue, notebooks
from grading.course.folder import Course
from grading.course.safe_text import printed
from grading.report.people import People
from grading.similarity import compare, passages, submissions
from grading.similarity.compare import Pair
from grading.similarity.passages import Row
from grading.similarity.streams import CHANNELS, CODE

SHOWN = 40  # pairs that are shown side by side; the table has all


@dataclass
class Similar:
    """What was found.

    Attributes:
        path: the page.
        pairs: the strongest first.
        clusters: the students whom pairs connect.
    """

    path: Path
    pairs: list[Pair]
    clusters: list[list[str]]


def report(
    course: Course, assignment: str, anonymous: bool = False, names: bool = False, threshold: float = 1.0
) -> Similar:
    """Compare all submissions and write `build/similar/<assignment>.html`.

    Args:
        anonymous: students have pseudonyms, also where a text names them.
        names: students are called by their names in the class list.
        threshold: 1 is the one that is measured; a smaller one also shows what may well be chance.

    Raises:
        CourseError: there are no submissions, the assignment is not released, or there is no class list for the names.
    """
    course.require_complete(assignment)
    source = notebooks.read(course.source(assignment))
    release = notebooks.read(course.root / "release" / assignment / f"{assignment}.ipynb")
    entries = catalogue.load(course.root / "mistakes" / f"{assignment}.toml", source)
    given = submissions.given(release, source, entries)
    found = submissions.read(course, assignment, given)
    people = People(course, [*found.notebooks, *found.unread], anonymous, names)
    pairs = compare.pairs(found.documents, given.known, threshold)
    clusters = compare.clusters(pairs)
    path = course.root / "build" / "similar" / f"{assignment}{people.suffix}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = templates.render(
        "similar.html.j2",
        assignment=assignment,
        n=len(found.documents),
        pairs=pairs,
        clusters=clusters,
        rows=[_rows(pair, found) for pair in pairs[:SHOWN]],
        unread=found.unread,
        short=sum(one.written(CODE) < compare.TOKENS[CODE] for one in found.documents),
        least=compare.TOKENS,
        channels=CHANNELS,
        threshold=threshold,
        anonymous=anonymous,
        called=people.called,
        text=lambda words: people.text(plain(words)),
    )
    path.write_text(text, encoding="utf-8")
    return Similar(path, pairs, clusters)


def _rows(pair: Pair, found: submissions.Class) -> list[Row]:
    return passages.rows(pair, found.notebooks[pair.left.name], found.notebooks[pair.right.name])


def plain(source: str) -> str:
    """A student's text without characters that turn its direction, or that no file can hold; lines stay."""
    return "\n".join("\t".join(printed(part, len(part)) for part in line.split("\t")) for line in source.split("\n"))
