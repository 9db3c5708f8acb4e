"""The notebooks of an assignment as documents that can be compared, and what everybody was given."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from nbformat import NotebookNode

from grading.course import catalogue, notebooks
from grading.course.folder import Course
from grading.gradebook import handed_in
from grading.intake import submission
from grading.intake.submission import SubmissionError
from grading.similarity import compare, streams
from grading.similarity.compare import Document, Known
from grading.similarity.streams import Vocabulary


@dataclass
class Given:
    """What everybody was given, and the answers that are known.

    Attributes:
        sources: of cells that nobody need compare.
        vocabulary: the names that the release and the reference choose: replacing them shows in no comparison.
        names: every name that the release, the reference or the catalogue chooses.
    """

    sources: frozenset[str]
    vocabulary: Vocabulary
    names: frozenset[str]
    known: Known


def given(release: NotebookNode, source: NotebookNode, entries: Iterable[catalogue.Entry]) -> Given:
    """What the release, the reference solution and the catalogue of an assignment say."""
    forms = [entry.source for entry in entries]
    solutions = [cell.source for cell in source.cells if notebooks.kind(cell) == "solution"]
    everywhere = streams.vocabulary(solutions)
    both = (*release.cells, *(_without_markers(cell) for cell in source.cells))
    cells = {(cell.cell_type, cell.source): cell for cell in both}.values()
    shown = streams.vocabulary(cell.source for cell in release.cells if cell.cell_type == "code")
    in_forms = streams.vocabulary(forms)
    taken = everywhere | shown | in_forms
    names = taken.names | taken.attributes
    said = [stream for cell in cells for stream in streams.of_cells([(0, cell)], everywhere | _own([cell]), names)]
    listed = [NotebookNode(cell_type="code", source=text) for text in forms]
    known = [stream for cell in listed for stream in streams.of_cells([(0, cell)], everywhere | _own([cell]), names)]
    return Given(
        frozenset(cell.source for cell in release.cells),
        everywhere,
        names,
        Known(compare.hashes_of(said), compare.hashes_of(known)),
    )


def _without_markers(cell: NotebookNode) -> NotebookNode:
    return NotebookNode(cell_type=cell.cell_type, source=notebooks.without_markers(cell.source))


def _own(cells: Iterable[NotebookNode]) -> Vocabulary:
    return streams.vocabulary(cell.source for cell in cells if cell.cell_type == "code")


def document(name: str, unit: str, notebook: NotebookNode, known: Given) -> Document:
    """A student's notebook, without the cells that are as they were given."""
    cells = [
        (place, cell)
        for place, cell in enumerate(notebook.cells)
        if isinstance(cell.source, str) and cell.source not in known.sources
    ]
    chosen = known.vocabulary | _own(cell for _, cell in cells)
    return compare.document(name, unit, streams.of_cells(cells, chosen, known.names), known.known)


@dataclass
class Class:
    """The notebooks of an assignment.

    Attributes:
        documents: one for each student, or group whose members handed in the same file.
        notebooks: by student.
        unread: why a submission could not be compared, by student.
    """

    documents: list[Document] = field(default_factory=list)
    notebooks: dict[str, NotebookNode] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)


def read(course: Course, assignment: str, known: Given) -> Class:
    """What was handed in. Nothing is executed.

    Raises:
        CourseError: there are no submissions.
    """
    groups, found, seen = handed_in.together(course, assignment), Class(), set()
    for one in submission.find(course, assignment):
        name = one.student.encode("utf-8", "backslashreplace").decode()  # a page can hold no other
        try:
            notebook = one.notebook()
        except SubmissionError as error:
            found.unread[name] = str(error).replace(f"{course.root}/", "")
            continue
        unit = "\0".join(groups.get(name, [name]))
        if (unit, one.attempt) in seen:
            continue
        seen.add((unit, one.attempt))
        found.notebooks[name] = notebook
        found.documents.append(document(name, unit, notebook, known))
    return found
