"""The nodes of a large cluster in order, for pods that are alike: the best is known without looking at all.

What a node is worth to a pod has a part of its own (room, balance, images) and parts that depend on the other
nodes: how many more pods of a sort it has than they, how many more taints it dislikes. Nodes that are alike
in all of the latter form a *cell*, and within a cell the own part decides. So a ranking keeps a heap for each
cell, looks anew only at nodes that have changed since it was last asked, and compares the first of each cell:

    (disliked, preferred, pods of the sort here, zone)   heap of (-worth, pods, name)
    (0, 0, 0, "a")                                       (-192.3, 4, "node-17"), (-192.1, 5, "node-3"), …
    (0, 0, 1, "a")                                       …

The answer is that of looking at every node, rule by rule, with the same sums in the same order.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from .judging import Verdict
from .snapshot import NodeInfo, Snapshot
from .spread import HOSTNAME, Constraint

FULL_SCORE = 100
SPARE_ENTRIES = 64  # outdated entries that a heap may hold beside as many as it has good ones

Cell = tuple[int, int, tuple[int | str | None, ...]]
"""Disliked taints, preference, and for each constraint the pods here (over nodes) or the domain."""


class Weights(NamedTuple):
    """What the parts count that depend on other nodes; 0 for those that are not asked."""

    disliked: int
    preferred: int
    spread: int


class _Entry(NamedTuple):
    """A node in a heap: the best first, of equals the one with fewest pods, then by name."""

    rank: float
    pods: int
    name: str
    cell: Cell


class Ranking:
    """Every node that can take the pods of one class, which are spread by the same constraints.

    Args:
        constraints: soft ones; they count pods on all nodes, whatever the pod or the nodes want.
        needs_all_keys: nodes without one of the labels of the constraints get no score from them.
    """

    def __init__(
        self, snapshot: Snapshot, constraints: Sequence[Constraint], weights: Weights, *, needs_all_keys: bool
    ) -> None:
        self._snapshot = snapshot
        self._constraints = constraints
        self._weights = weights
        self._needs_all_keys = needs_all_keys
        self._seen = 0
        self._entries: dict[str, _Entry] = {}
        self._heaps: dict[Cell, list[_Entry]] = {}
        self._sizes: dict[Cell, int] = {}

    def update(self, judge: Callable[[NodeInfo], Verdict]) -> None:
        """Look at what has changed."""
        snapshot = self._snapshot
        counts = [snapshot.tally(one.sort).by_node for one in self._constraints]
        for name in snapshot.changed_since(self._seen):
            info = snapshot.node(name)
            verdict = judge(info) if info is not None else None
            if info is None or verdict is None or verdict.refusal is not None:
                self._take_out(name)
            else:
                cell = (verdict.disliked, verdict.preferred, self._places(info, counts))
                self._put(_Entry(-verdict.fixed, len(info.pods), name, cell))
        self._seen = snapshot.changes

    def best(self, most_cells: int) -> str:
        """The node with the highest score; empty when there is none, or there are more cells than that."""
        if not self._sizes or len(self._sizes) > most_cells:
            return ""
        parts = [list(map(float, found)) for found in self._parts()]
        best: tuple[float, int, str] | None = None
        for place, cell in enumerate(self._sizes):
            first = self._first(cell)
            score = -first.rank
            for values in parts:
                score += values[place]
            candidate = (-score, first.pods, first.name)
            if best is None or candidate < best:
                best = candidate
        return best[2] if best is not None else ""

    def _parts(self) -> Iterable[Iterable[float]]:
        """What the parts that depend on other nodes add, each by cell."""
        weights, cells = self._weights, self._sizes
        if weights.disliked and any(cell[0] for cell in cells):
            greatest = max(cell[0] for cell in cells)
            yield (-weights.disliked * (FULL_SCORE * cell[0] / greatest) for cell in cells)
        if weights.preferred and any(cell[1] for cell in cells):
            greatest = max(cell[1] for cell in cells)
            yield (weights.preferred * (FULL_SCORE * cell[1] / greatest) for cell in cells)
        if weights.spread and self._constraints:
            yield (weights.spread * value for value in self._spread())

    def _spread(self) -> Sequence[float]:
        """As ``spread.scores``, by cell."""
        raw: list[float | None] = [
            None if self._needs_all_keys and None in places else 0.0 for _, _, places in self._sizes
        ]
        for number, constraint in enumerate(self._constraints):
            self._count(raw, number, constraint)
        known = [value for value in raw if value is not None]
        least, most = min(known, default=0.0), max(known, default=0.0)
        if not most:
            return [0.0 if value is None else float(FULL_SCORE) for value in raw]
        return [0.0 if value is None else FULL_SCORE * (most + least - value) / most for value in raw]

    def _count(self, raw: list[float | None], number: int, constraint: Constraint) -> None:
        """Add what one constraint counts to what others have."""
        over_nodes = constraint.key == HOSTNAME
        domains: Mapping[str, int] = {}
        if over_nodes:
            size = sum(
                count for count, value in zip(self._sizes.values(), raw, strict=True) if value is not None
            )
        else:
            domains = self._snapshot.tally(constraint.sort).by_domain(constraint.key)
            cells = zip(self._sizes, raw, strict=True)
            size = len({cell[2][number] for cell, value in cells if value is not None} - {None})
        weight, skew = math.log(size + 2), constraint.max_skew - 1
        for index, (_, _, places) in enumerate(self._sizes):
            value, place = raw[index], places[number]
            if value is not None and place is not None:
                count = place if isinstance(place, int) else domains.get(place, 0)
                raw[index] = value + (count * weight + skew)

    def _places(self, info: NodeInfo, counts: Sequence[Mapping[str, int]]) -> tuple[int | str | None, ...]:
        labels = info.labels
        return tuple(
            labels.get(constraint.key)
            if constraint.key != HOSTNAME
            else count.get(info.name, 0)
            if HOSTNAME in labels
            else None
            for constraint, count in zip(self._constraints, counts, strict=True)
        )

    def _put(self, entry: _Entry) -> None:
        before = self._entries.get(entry.name)
        if before == entry:
            return
        if before is not None:
            self._leave(before.cell)
        cell = entry.cell
        self._entries[entry.name] = entry
        self._sizes[cell] = size = self._sizes.get(cell, 0) + 1
        heap = self._heaps.setdefault(cell, [])
        heappush(heap, entry)
        if len(heap) > 2 * size + SPARE_ENTRIES:
            heap[:] = [one for one in heap if self._entries.get(one.name) is one]
            heapify(heap)

    def _take_out(self, name: str) -> None:
        before = self._entries.pop(name, None)
        if before is not None:
            self._leave(before.cell)

    def _leave(self, cell: Cell) -> None:
        self._sizes[cell] -= 1
        if not self._sizes[cell]:
            del self._sizes[cell], self._heaps[cell]

    def _first(self, cell: Cell) -> _Entry:
        """The best node of a cell, which has at least one."""
        heap = self._heaps[cell]
        while self._entries.get(heap[0].name) is not heap[0]:
            heappop(heap)
        return heap[0]
