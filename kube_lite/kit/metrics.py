"""Counters, gauges and histograms, and the text in which Prometheus reads them.

Counting happens on every request, so it is an addition to a *cell*, a list that whoever counts often may
keep; everything else happens when somebody reads. Each server has its own ``Metrics``: two clusters in one
process do not add up.
"""

import os
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

Labels = tuple[str, ...]

SECONDS = (
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0,
    20.0, 30.0, 45.0, 60.0,
)  # fmt: skip
"""Upstream's buckets for the duration of requests."""


class Counter:
    """A number per combination of labels that only grows."""

    def __init__(self, name: str, text: str, labels: Sequence[str]) -> None:
        self.name = name
        self.text = text
        self.labels = tuple(labels)
        self._cells: dict[Labels, list[float]] = {}

    def cell(self, labels: Labels) -> list[float]:
        """Where to count: ``cell[0] += 1``. ``labels`` are values, in the order of the counter's names."""
        return self._cells.setdefault(labels, [0])

    def add(self, labels: Labels, amount: float = 1) -> None:
        """Count."""
        self.cell(labels)[0] += amount

    def lines(self) -> Iterator[str]:
        """The counter in text format."""
        yield from _head(self.name, self.text, "counter")
        for labels, [value] in sorted(self._cells.items()):
            yield f"{self.name}{_shown(self.labels, labels)} {value:.15g}"


class Histogram:
    """How often a value fell below each of some bounds."""

    def __init__(
        self, name: str, text: str, labels: Sequence[str], bounds: Sequence[float] = SECONDS
    ) -> None:
        self.name = name
        self.text = text
        self.labels = tuple(labels)
        self.bounds = tuple(bounds)
        self._cells: dict[Labels, list[float]] = {}

    def cell(self, labels: Labels) -> list[float]:
        """Where to note values: a count for each bound and one for what is above all, then their sum."""
        cell = self._cells.get(labels)
        if cell is None:
            cell = self._cells[labels] = [0] * (len(self.bounds) + 1) + [0.0]
        return cell

    def note(self, cell: list[float], value: float) -> None:
        """Note a value in a cell; it counts for every bound that is not below it."""
        cell[bisect_left(self.bounds, value)] += 1
        cell[-1] += value

    def observe(self, labels: Labels, value: float) -> None:
        """Note a value."""
        self.note(self.cell(labels), value)

    def cells(self) -> Iterator[tuple[Labels, list[float]]]:
        """What was noted so far, by labels."""
        return iter(sorted(self._cells.items()))

    def lines(self) -> Iterator[str]:
        """The histogram in text format: cumulative counts, then sum and count."""
        yield from _head(self.name, self.text, "histogram")
        names = (*self.labels, "le")
        for labels, [*counts, seconds] in sorted(self._cells.items()):
            total = 0
            for bound, count in zip((*map("{:g}".format, self.bounds), "+Inf"), counts, strict=True):
                total += int(count)
                yield f"{self.name}_bucket{_shown(names, (*labels, bound))} {total}"
            yield f"{self.name}_sum{_shown(self.labels, labels)} {seconds:.9g}"
            yield f"{self.name}_count{_shown(self.labels, labels)} {total}"


class Gathered:
    """A histogram of what others note in cells of their own, which are asked for when somebody reads."""

    def __init__(
        self,
        name: str,
        text: str,
        labels: Sequence[str],
        bounds: Sequence[float],
        read: Callable[[], Mapping[Labels, Sequence[float]]],
    ) -> None:
        self._shown = name, text, labels, bounds
        self._read = read

    def lines(self) -> Iterator[str]:
        """The histogram in text format."""
        shown = Histogram(*self._shown)
        for labels, cell in self._read().items():
            shown.cell(labels)[:] = cell
        yield from shown.lines()


class View:
    """Another histogram of what one counts already: with fewer labels, of some of the values, less fine.

    Args:
        labels: those that ``choose`` gives.
        choose: labels of the source → labels here, or None for values that do not count here.
        from_bound: the lowest of the source's bounds that is shown.
    """

    def __init__(
        self,
        name: str,
        text: str,
        labels: Sequence[str],
        source: Histogram,
        choose: Callable[[Labels], Labels | None],
        from_bound: float,
    ) -> None:
        self.name = name
        self.text = text
        self.labels = tuple(labels)
        self._source = source
        self._choose = choose
        self._first = source.bounds.index(from_bound)

    def lines(self) -> Iterator[str]:
        """The histogram in text format."""
        first = self._first
        shown = Histogram(self.name, self.text, self.labels, self._source.bounds[first:])
        for labels, cell in self._source.cells():
            chosen = self._choose(labels)
            if chosen is not None:
                total = shown.cell(chosen)
                for place, value in enumerate((sum(cell[: first + 1]), *cell[first + 1 :])):
                    total[place] += value
        yield from shown.lines()


class Gauge:
    """Numbers that are asked for when somebody reads."""

    def __init__(
        self,
        name: str,
        text: str,
        labels: Sequence[str],
        read: Callable[[], Mapping[Labels, float]],
        kind: str = "gauge",
    ) -> None:
        self.name = name
        self.text = text
        self.labels = tuple(labels)
        self.kind = kind
        self._read = read

    def lines(self) -> Iterator[str]:
        """The gauge in text format."""
        yield from _head(self.name, self.text, self.kind)
        for labels, value in sorted(self._read().items()):
            yield f"{self.name}{_shown(self.labels, labels)} {value:.15g}"


class Shown(Protocol):
    """Anything that can be shown."""

    def lines(self) -> Iterator[str]:
        """Itself in text format."""
        ...


class Metrics:
    """What one part of the program counts."""

    def __init__(self) -> None:
        self._all: list[Shown] = []

    def counter(self, name: str, text: str, labels: Sequence[str]) -> Counter:
        """A new counter; ``name`` ends in ``_total``."""
        counter = Counter(name, text, labels)
        self._all.append(counter)
        return counter

    def histogram(
        self, name: str, text: str, labels: Sequence[str], bounds: Sequence[float] = SECONDS
    ) -> Histogram:
        """A new histogram, of seconds unless ``bounds`` are of something else."""
        histogram = Histogram(name, text, labels, bounds)
        self._all.append(histogram)
        return histogram

    def show(self, *shown: "Shown") -> None:
        """Show what somebody else counts, too."""
        self._all.extend(shown)

    def gauge(
        self,
        name: str,
        text: str,
        labels: Sequence[str],
        read: Callable[[], Mapping[Labels, float]],
        kind: str = "gauge",
    ) -> None:
        """A new gauge; ``read`` gives its values by labels. What is counted elsewhere is a ``counter``."""
        self._all.append(Gauge(name, text, labels, read, kind))

    def text(self) -> str:
        """Everything, in Prometheus' text format 0.0.4."""
        return "".join(f"{line}\n" for metric in self._all for line in metric.lines())


def _head(name: str, text: str, kind: str) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"


def _shown(names: Sequence[str], values: Labels) -> str:
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True))
    return f"{{{pairs}}}" if pairs else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def watch_process(metrics: Metrics) -> None:
    """Tell what this process uses, under the names that every Prometheus client uses; Linux only."""
    stat = Path("/proc/self/stat")
    if not stat.exists():
        return
    import resource  # like the rest here, for those who look

    ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")

    def field(number: int) -> float:
        """One of proc(5)'s fields, which begin at 3 behind the name in parentheses."""
        return float(stat.read_text().rpartition(")")[2].split()[number - 3])

    booted = next(
        float(line.split()[1])
        for line in Path("/proc/stat").read_text().splitlines()
        if line.startswith("btime")
    )
    readers: dict[str, tuple[str, Callable[[], float]]] = {
        "process_resident_memory_bytes": ("Memory in use.", lambda: field(24) * page),
        "process_virtual_memory_bytes": ("Memory mapped.", lambda: field(23)),
        "process_start_time_seconds": (
            "When the process began, since 1970.",
            lambda: booted + field(22) / ticks,
        ),
        "process_open_fds": ("Open files.", lambda: sum(1 for _ in Path("/proc/self/fd").iterdir())),
        "process_max_fds": ("Files that may be open.", lambda: resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
    }
    for name, (text, read) in readers.items():
        metrics.gauge(name, text, (), _alone(read))
    cpu = _alone(lambda: sum(os.times()[:2]))
    metrics.gauge("process_cpu_seconds_total", "Processor time used.", (), cpu, kind="counter")


def _alone(read: Callable[[], float]) -> Callable[[], Mapping[Labels, float]]:
    return lambda: {(): read()}
