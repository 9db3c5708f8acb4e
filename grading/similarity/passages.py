"""What two notebooks share, as it is shown: their cells side by side, in pieces that are marked or not."""

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter

from nbformat import NotebookNode

from grading.course import notebooks
from grading.similarity.compare import GRAM, Document, Pair
from grading.similarity.streams import CHANNELS, CODE, COMMENTS, LONGEST, NAMES, PROSE, Stream

PAINTED = (PROSE, COMMENTS, NAMES, CODE)  # what is painted earlier stays; code covers the comments between its tokens


@dataclass
class Piece:
    """A part of a cell.

    Attributes:
        number: counts the passages of a pair; 0 where nothing is shared.
        first: whether it is the first of its number on its side, to which the other side leads.
    """

    text: str
    number: int = 0
    channel: str = ""
    first: bool = False


@dataclass
class Shown:
    """A cell: what it is called, and its source in pieces."""

    title: str
    pieces: list[Piece]

    @property
    def numbers(self) -> set[int]:
        return {piece.number for piece in self.pieces if piece.number}


@dataclass
class Row:
    """Cells that share passages, the one's and the other's."""

    left: list[Shown] = field(default_factory=list)
    right: list[Shown] = field(default_factory=list)


@dataclass
class _Run:
    """Neighboring tokens of a stream that are all shared."""

    stream: Stream
    begin: int
    end: int
    values: set[int]
    number: int = 0


def rows(pair: Pair, left: NotebookNode, right: NotebookNode) -> list[Row]:
    """The cells of two notebooks that share passages, in the order of the left one."""
    one, other = _runs(pair.left, pair), _runs(pair.right, pair)
    _number(one, other)
    mine, theirs = _shown(left, one), _shown(right, other)
    for side in (mine, theirs):
        _mark_first(side)
    made: list[Row] = []
    for cell in mine:
        matching = [shown for shown in theirs if shown.numbers & cell.numbers]
        theirs = [shown for shown in theirs if shown not in matching]
        if not matching and made:
            made[-1].left.append(cell)  # its passages are in a cell that is shown already
        else:
            made.append(Row([cell], matching))
    return made


def _runs(one: Document, pair: Pair) -> list[_Run]:
    found = []
    for channel in CHANNELS:
        values: dict[int, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
        for value in pair.shared.get(channel, ()):
            for stream, place in one.prints[channel][value]:
                for at in range(place, place + GRAM[channel]):
                    values[stream][at].add(value)
        for number, covered in values.items():
            tokens = one.streams[number].tokens
            in_source = sorted(range(len(tokens)), key=lambda at: tokens[at].begin)
            for shared, group in groupby(in_source, covered.__contains__):
                run = list(group)
                if shared:
                    every = set().union(*(covered[at] for at in run))
                    found.append(_Run(one.streams[number], tokens[run[0]].begin, tokens[run[-1]].end, every))
    return sorted(found, key=lambda run: (run.stream.cell, run.begin))


def _number(one: list[_Run], other: list[_Run]) -> None:
    """Give runs that share a fingerprint, directly or through others, the same number, from 1 on."""
    holders: dict[int, list[_Run]] = defaultdict(list)
    for run in [*one, *other]:
        for value in run.values:
            holders[value].append(run)
    number = 0
    for first in one:
        if first.number:
            continue
        number += 1
        waiting = [first]
        while waiting:
            run = waiting.pop()
            if not run.number:
                run.number = number
                waiting += [near for value in run.values for near in holders[value] if not near.number]


def _shown(notebook: NotebookNode, runs: list[_Run]) -> list[Shown]:
    by_cell: dict[int, list[_Run]] = defaultdict(list)
    for run in runs:
        by_cell[run.stream.cell].append(run)
    return [_painted(notebook.cells[place], place, own) for place, own in sorted(by_cell.items())]


def _mark_first(cells: list[Shown]) -> None:
    seen = {0}
    for piece in (piece for cell in cells for piece in cell.pieces):
        piece.first = piece.number not in seen
        seen.add(piece.number)


def _painted(cell: NotebookNode, place: int, runs: list[_Run]) -> Shown:
    source = cell.source[:LONGEST]
    owners: list[tuple[int, str]] = [(0, "")] * len(source)
    for channel in PAINTED:
        for run in (run for run in runs if run.stream.channel == channel):
            for at in range(run.begin, min(run.end, len(source))):
                if not owners[at][0]:
                    owners[at] = (run.number, channel)
    pieces = []
    for owner, group in groupby(enumerate(owners), itemgetter(1)):
        positions = [at for at, _ in group]
        pieces.append(Piece(source[positions[0] : positions[-1] + 1], *owner))
    return Shown(notebooks.grade_id(cell) or f"own cell {place + 1}", pieces)
