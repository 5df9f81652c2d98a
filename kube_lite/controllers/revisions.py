"""The ReplicaSets of a Deployment as its history: which is the newest, their names and annotations.

Every ReplicaSet is one revision of the Pod template. Its name ends in a hash of the template, which is also a
label on its Pods, so that revisions never share Pods. Going back to an old template finds its old ReplicaSet
again and makes it the newest by giving it the next number. All functions are pure.

Source of rules: kubernetes/pkg/controller/deployment/util/deployment_util.go.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence

from kube_lite.api import meta
from kube_lite.api.identity import Json
from kube_lite.api.names import GENERATED_LETTERS

from .resources import DEPLOYMENT

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS = "deployment.kubernetes.io/max-replicas"
NOT_COPIED = {meta.LAST_APPLIED, REVISION, REVISION_HISTORY, DESIRED_REPLICAS, MAX_REPLICAS}
HASH_LETTERS = 10  # as many as upstream's longest, so that names have the length that people know
HISTORY_BYTES = 2000  # of the revision-history annotation; the oldest numbers are dropped


def template_hash(template: Json, collisions: int) -> str:
    """Ten letters that stand for a Pod template; ``collisions`` says how often the result was taken."""
    canonical = json.dumps([template, collisions], sort_keys=True, separators=(",", ":")).encode()
    digest = hashlib.blake2b(canonical, digest_size=HASH_LETTERS).digest()
    return "".join(GENERATED_LETTERS[byte % len(GENERATED_LETTERS)] for byte in digest)


def same_template(one: Json, other: Json) -> bool:
    """Whether two Pod templates make the same Pods, the hash label apart."""
    return one["spec"] == other["spec"] and _identity(one) == _identity(other)


def _identity(template: Json) -> tuple[Json, ...]:
    metadata = template.get("metadata") or {}
    labels = {name: value for name, value in (metadata.get("labels") or {}).items() if name != HASH_LABEL}
    rest = {
        field: value
        for field, value in metadata.items()
        if value and field not in ("labels", "annotations", "creationTimestamp")
    }
    return labels, metadata.get("annotations") or {}, rest


def find_new(deployment: Json, sets: Iterable[Json]) -> Json | None:
    """The ReplicaSet of the current template; of several, the oldest, so that the choice is stable."""
    template = deployment["spec"]["template"]
    same = [owned for owned in sets if same_template(owned["spec"]["template"], template)]
    return min(same, key=created, default=None)


def created(obj: Json) -> tuple[str, str]:
    """A sort key: by age, then by name."""
    metadata = obj["metadata"]
    return metadata.get("creationTimestamp") or "", metadata["name"]


def revision_of(obj: Json) -> int:
    """Its revision number, 0 if it has none."""
    try:
        return int(meta.annotations_of(obj).get(REVISION, "0"))
    except ValueError:
        return 0


def number_annotation(obj: Json, name: str) -> int | None:
    """An annotation that holds a number, or None."""
    try:
        return int(meta.annotations_of(obj)[name])
    except (KeyError, ValueError):
        return None


def sized(annotations: Json, wanted: int, surge: int) -> Json:
    """``annotations`` with what the Deployment wants in all, noted on every set that it sizes."""
    return annotations | {DESIRED_REPLICAS: str(wanted), MAX_REPLICAS: str(wanted + surge)}


def annotations_for(deployment: Json, existing: Json, revision: int) -> Json:
    """The annotations that the newest ReplicaSet should have.

    The Deployment's own are copied (``kubernetes.io/change-cause`` is how history gets its texts). A set that
    becomes the newest again keeps a list of the numbers it had before.
    """
    annotations = dict(existing)
    annotations.update(
        {name: value for name, value in meta.annotations_of(deployment).items() if name not in NOT_COPIED}
    )
    try:
        before = int(existing.get(REVISION, "0"))
    except ValueError:
        before = 0
    if before < revision:
        annotations[REVISION] = str(revision)
        if REVISION in existing:
            history = [number for number in existing.get(REVISION_HISTORY, "").split(",") if number]
            history.append(existing[REVISION])
            while len(",".join(history)) > HISTORY_BYTES:
                history.pop(0)
            annotations[REVISION_HISTORY] = ",".join(history)
    return annotations


def new_set(deployment: Json, *, replicas: int, surge: int, revision: int, collisions: int) -> Json:
    """The ReplicaSet for the current template; a private object."""
    spec = deployment["spec"]
    name = deployment["metadata"]["name"]
    suffix = template_hash(spec["template"], collisions)
    template = meta.copy(spec["template"])
    metadata = template.setdefault("metadata", {}) or {}
    labels = {**(metadata.get("labels") or {}), HASH_LABEL: suffix}
    template["metadata"] = {**metadata, "labels": labels}
    selector = meta.copy(spec["selector"])
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), HASH_LABEL: suffix}
    wanted = int(spec.get("replicas", 1))
    owned: Json = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{name}-{suffix}",
            "namespace": deployment["metadata"]["namespace"],
            "labels": dict(labels),
            "annotations": sized(annotations_for(deployment, {}, revision), wanted, surge),
            "ownerReferences": [meta.owner_reference(deployment, DEPLOYMENT)],
        },
        "spec": {"replicas": replicas, "selector": selector, "template": template},
    }
    if spec.get("minReadySeconds"):
        owned["spec"]["minReadySeconds"] = spec["minReadySeconds"]
    return owned


def plan_cleanup(deployment: Json, old: Sequence[Json]) -> list[Json]:
    """The old ReplicaSets beyond ``revisionHistoryLimit``, lowest revision first; never one that has Pods."""
    limit = deployment["spec"].get("revisionHistoryLimit")
    if limit is None:
        return []
    alive = [owned for owned in old if not meta.is_being_deleted(owned)]
    spare = sorted(alive, key=lambda owned: (revision_of(owned), created(owned)))[
        : max(0, len(alive) - limit)
    ]
    return [owned for owned in spare if _is_at_rest(owned)]


def _is_at_rest(owned: Json) -> bool:
    status = owned.get("status") or {}
    return (
        not status.get("replicas")
        and not owned["spec"].get("replicas", 1)
        and meta.generation(owned) <= status.get("observedGeneration", 0)
    )
