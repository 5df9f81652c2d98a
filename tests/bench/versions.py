"""Objects seen in versions of old: processor time of a conversion, beside reading and writing the same object
as JSON; and of showing a stored object in another version, as a list does.
"""

import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import orjson
import yaml

from kube_lite.api.identity import GroupVersionKind, Json, parse_api_version
from kube_lite.api.schema.prune import read_object
from kube_lite.kinds import builtin
from kube_lite.kinds.conversions import convert, stored_as
from kube_lite.kinds.schemas import definitions
from kube_lite.registry.converting import in_version
from kube_lite.registry.stored import Stored, as_stored, encode

MANIFESTS = Path(__file__).parents[2] / "conformance/legacy/manifests"
ROUNDS, REPEATED = 5, 500


def run() -> None:
    """Measure and print a table."""
    registry, known = builtin(legacy=True), definitions(legacy=True)
    print(f"{'processor time, µs':<68}{'older':>8}{'newer':>8}{'shown':>8}{'JSON':>8}")
    for document in _documents():
        gvk = GroupVersionKind(*parse_api_version(document["apiVersion"]), document["kind"])
        row = registry.by_gvk(gvk)
        assert row is not None, gvk
        old = read_object(document, known.schema(row.schema)).value
        row.strategy.default(old)
        today = convert(old, stored_as(row))
        stored = as_stored(encode(today, {}), 1)
        figures = (
            _micros(partial(convert, today, gvk)),
            _micros(partial(convert, old, stored_as(row))),
            _micros(partial(_show, stored, gvk)),
            _micros(partial(_as_json, today)),
        )
        print(f"{gvk.api_version} {gvk.kind}".ljust(68) + "".join(f"{each:>8.1f}" for each in figures))


def _show(stored: Stored, gvk: GroupVersionKind) -> Stored:
    """In another version, as it comes from the store."""
    return in_version(Stored(stored.raw, stored.revision, stored.header), gvk)


def _as_json(obj: Json) -> object:
    return orjson.loads(orjson.dumps(obj))


def _documents() -> list[Json]:
    """One manifest of each version and kind."""
    found: dict[tuple[str, str], Json] = {}
    for file in sorted(MANIFESTS.glob("*.yaml")):
        for document in yaml.safe_load_all(file.read_text()):
            document["metadata"]["uid"] = "00000000-0000-4000-8000-000000000000"
            found.setdefault((document["apiVersion"], document["kind"]), document)
    return list(found.values())


def _micros(work: Callable[[], object]) -> float:
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(REPEATED):
            work()
        rounds.append((time.process_time() - began) / REPEATED * 1e6)
    return statistics.median(rounds)
