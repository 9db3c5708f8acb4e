"""Which notebooks share what nobody else has: fingerprints, an inverted index, pairs and clusters."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from grading.similarity import winnowing
from grading.similarity.streams import CHANNELS, CODE, COMMENTS, NAMES, PROSE, Stream

GRAM = {CODE: 8, NAMES: 4, COMMENTS: 4, PROSE: 4}  # tokens in a gram
WINDOW = {CODE: 4, NAMES: 1, COMMENTS: 2, PROSE: 2}  # grams of which one is kept
# A pair is reported if it shares so many tokens, and so large a share of what one of the two wrote itself.
TOKENS = {CODE: 70.0, NAMES: 8.0, COMMENTS: 12.0, PROSE: 20.0}
SHARE = {CODE: 0.6, NAMES: 0.5, COMMENTS: 0.5, PROSE: 0.4}
# Or if one cell of code alone does: a long answer was copied, all others were not.
CELL_TOKENS, CELL_SHARE = 90.0, 0.65
KNOWN_FORM = 0.25  # what a token counts that the catalogue has, too: more than one student comes upon it
COMMON = 0.2  # what a larger share of the class has is nobody's own
FEW = 8  # but so many may have copied from each other
LAST = np.uint64(2**64 - 1)  # of a gram that is no fingerprint


@dataclass(frozen=True)
class Known:
    """The grams that say nothing, by channel.

    Attributes:
        given: of the release and the reference.
        forms: of the catalogue's answers.
    """

    given: dict[str, np.ndarray]
    forms: dict[str, np.ndarray]


def hashes_of(streams: Iterable[Stream]) -> dict[str, np.ndarray]:
    """All grams of some streams, by channel, for `Known`."""
    found: dict[str, list[np.ndarray]] = {channel: [] for channel in CHANNELS}
    for stream in streams:
        texts = [token.text for token in stream.tokens]
        found[stream.channel].append(winnowing.grams(texts, GRAM[stream.channel]))
    return {channel: np.unique(np.concatenate(parts or [np.zeros(0, np.uint64)])) for channel, parts in found.items()}


@dataclass
class Document:
    """A notebook.

    Attributes:
        unit: who worked on it together: a student, or a group.
        prints: the places of each fingerprint, as (stream, place of its first token), by channel.
        own: for each stream, how many tokens are not given.
    """

    name: str
    unit: str
    streams: list[Stream]
    prints: dict[str, dict[int, list[tuple[int, int]]]] = field(default_factory=dict)
    own: list[int] = field(default_factory=list)

    def written(self, channel: str) -> int:
        """How many tokens of a channel are not given."""
        return sum(own for own, stream in zip(self.own, self.streams) if stream.channel == channel)


def document(name: str, unit: str, streams: list[Stream], known: Known) -> Document:
    """A notebook with the fingerprints of what is not given."""
    made = Document(name, unit, streams, {channel: defaultdict(list) for channel in CHANNELS})
    for number, stream in enumerate(streams):
        channel, k = stream.channel, GRAM[stream.channel]
        hashes = winnowing.grams([token.text for token in stream.tokens], k)
        new = ~_in(hashes, known.given[channel])
        made.own.append(int(_covered(np.flatnonzero(new), k, len(stream.tokens)).sum()))
        for place in winnowing.winnow(np.where(new, hashes, LAST), WINDOW[channel]):
            if new[place]:
                made.prints[channel][int(hashes[place])].append((number, int(place)))
    return made


def _in(hashes: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Which hashes are among the known ones, which are sorted; ten times as fast as `np.isin` for few hashes."""
    if len(known) == 0:
        return np.zeros(len(hashes), bool)
    return known[np.minimum(np.searchsorted(known, hashes), len(known) - 1)] == hashes


def _covered(places: np.ndarray, k: int, length: int) -> np.ndarray:
    """Which tokens are in a gram that begins at one of these places, shape (length,)."""
    covered = np.zeros(length, bool)
    for offset in range(k):
        covered[places + offset] = True
    return covered


@dataclass
class Pair:
    """Two notebooks, and what they share.

    Attributes:
        shared: the weights of the shared fingerprints, by channel.
        evidence: shared tokens by channel, each weighted by how rare it is in the class.
        share: of what one of the two wrote itself, by channel, 0 to 1; the larger of the two shares.
        strength: by channel, how far the evidence is above (1 and more) or below the threshold.
    """

    left: Document
    right: Document
    shared: dict[str, dict[int, float]]
    evidence: dict[str, float] = field(default_factory=dict)
    share: dict[str, float] = field(default_factory=dict)
    strength: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for channel in CHANNELS:
            left, right = (covered(one, channel, self.shared.get(channel, {})) for one in (self.left, self.right))
            total = min(sum(sum(cell.values()) for cell in side.values()) for side in (left, right))
            share = max(
                sum(map(len, side.values())) / max(1, one.written(channel))
                for one, side in ((self.left, left), (self.right, right))
            )
            self.evidence[channel], self.share[channel] = total, share
            self.strength[channel] = min(total / TOKENS[channel], share / SHARE[channel])
            if channel == CODE:
                cells = [
                    (one.own[number], cell)
                    for one, side in ((self.left, left), (self.right, right))
                    for number, cell in side.items()
                ]
                alone = (min(sum(cell.values()), total) / CELL_TOKENS for own, cell in cells)
                shares = (len(cell) / max(1, own) / CELL_SHARE for own, cell in cells)
                self.strength[channel] = max([self.strength[channel], *map(min, alone, shares)])

    @property
    def strongest(self) -> float:
        """The strength in the channel that shows it best."""
        return max(self.strength.values())


def covered(one: Document, channel: str, shared: Mapping[int, float]) -> dict[int, dict[int, float]]:
    """The tokens that shared fingerprints cover, with the largest weight of each, by stream and place."""
    best: dict[int, dict[int, float]] = defaultdict(dict)
    for value, weight in shared.items():
        for stream, place in one.prints[channel][value]:
            for at in range(place, place + GRAM[channel]):
                best[stream][at] = max(best[stream].get(at, 0.0), weight)
    return best


def pairs(documents: list[Document], known: Known, least: float = 1.0) -> list[Pair]:
    """The pairs whose strength is at least `least`, the strongest first.

    Only notebooks that share a rare fingerprint meet, so the work grows with what is shared, not with all pairs.
    """
    met: dict[tuple[int, int], dict[str, dict[int, float]]] = defaultdict(dict)
    for channel in CHANNELS:
        for value, weight, holders in _rare(documents, channel, known.forms[channel]):
            for pair in combinations(holders, 2):
                met[pair].setdefault(channel, {})[value] = weight
    found = []
    for (left, right), shared in met.items():
        if documents[left].unit == documents[right].unit:
            continue
        # A fingerprint covers no more than its gram, so most pairs need not be looked at closely.
        bounds = (sum(own.values()) * GRAM[channel] / TOKENS[channel] for channel, own in shared.items())
        if max(bounds) >= least:
            found.append(Pair(documents[left], documents[right], shared))
    kept = [pair for pair in found if pair.strongest >= least]
    return sorted(kept, key=lambda pair: (-pair.strongest, pair.left.name, pair.right.name))


def _rare(documents: list[Document], channel: str, forms: np.ndarray) -> Iterator[tuple[int, float, list[int]]]:
    """The fingerprints that more than one unit has, and few have: hash, weight, the places of the documents."""
    holders: dict[int, list[int]] = defaultdict(list)
    for number, one in enumerate(documents):
        for value in one.prints[channel]:
            holders[value].append(number)
    units = len({one.unit for one in documents})
    most = max(FEW, COMMON * units)
    values = [value for value, own in holders.items() if len(own) > 1]
    is_form = _in(np.array(values, np.uint64), forms)
    for value, known in zip(values, is_form):
        own = holders[value]
        count = len({documents[number].unit for number in own})
        if 1 < count <= most:
            weight = 1 - math.log(count / 2) / math.log((most + 1) / 2)
            yield value, weight * (KNOWN_FORM if known else 1.0), own


def clusters(found: list[Pair]) -> list[list[str]]:
    """The names that pairs connect, directly or through others; the largest cluster first."""
    root: dict[str, str] = {}

    def of(name: str) -> str:
        while root.setdefault(name, name) != name:
            name = root[name]
        return name

    for pair in found:
        root[of(pair.left.name)] = of(pair.right.name)
    members: dict[str, list[str]] = defaultdict(list)
    for name in root:
        members[of(name)].append(name)
    return sorted((sorted(names) for names in members.values()), key=lambda names: (-len(names), names))
