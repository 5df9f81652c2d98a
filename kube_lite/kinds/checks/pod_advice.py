"""Warnings about what Pods are made of, wherever a template of them stands.

Source: ``pkg/api/pod/warnings.go``, ``pkg/api/node/util.go`` and ``pkg/api/persistentvolumeclaim/util.go``.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import orjson

from kube_lite.api.identity import Json
from kube_lite.api.names import check_label_value
from kube_lite.api.quantity import parse_quantity

from .address_advice import advise_address

REMEMBERED_SPECS = 128  # as many, and as large, as their checks are remembered of
REMEMBERED_BYTES = 16 * 1024
OLD_NODE_LABELS = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": (
        'deprecated since v1.17; use "topology.kubernetes.io/region" instead'
    ),
    "failure-domain.beta.kubernetes.io/zone": (
        'deprecated since v1.17; use "topology.kubernetes.io/zone" instead'
    ),
    "beta.kubernetes.io/instance-type": (
        'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead'
    ),
    "app.kubernetes.io/created-by": "deprecated since v1.9",
    "scheduler.alpha.kubernetes.io/preferAvoidPods": (
        "deprecated since v1.22; use Taints and Tolerations instead"
    ),
    "node-role.kubernetes.io/master": 'use "node-role.kubernetes.io/control-plane" instead',
}
"""Label of nodes → what to say of those who still select by it."""
OLD_ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod": (
        'non-functional in v1.16+; use the "priorityClassName" field instead'
    ),
    "security.alpha.kubernetes.io/sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
    "security.alpha.kubernetes.io/unsafe-sysctls": (
        'non-functional in v1.11+; use the "sysctls" field instead'
    ),
}
OLD_VOLUMES = {
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "deprecated in v1.11, and disabled by default in v1.33+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "ephemeral": "",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}
"""Sources of volumes in the order in which they are looked at → what is said of those that are gone."""
_TOLD_OTHERWISE = {"storageos": "storageOS"}
SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"
APPARMOR_CONTAINER = "container.apparmor.security.beta.kubernetes.io/"
_WITH_FILES = frozenset(("configMap", "secret", "downwardAPI", "projected"))
_NO_SELECTOR = "a null labelSelector results in matching no pod"
_RUNS = "DuringSchedulingIgnoredDuringExecution"


def advise_pod(pod: Json) -> Iterable[str]:
    """Everything about a Pod; remembered by content, as its checks are, for there are many alike."""
    spec = pod.get("spec") or {}
    content = b"" if (pod.get("metadata") or {}).get("annotations") else orjson.dumps(spec)
    return _remembered(content) if 0 < len(content) <= REMEMBERED_BYTES else advise_template(pod, "")


@lru_cache(maxsize=REMEMBERED_SPECS)
def _remembered(content: bytes) -> tuple[str, ...]:
    return tuple(advise_template({"spec": orjson.loads(content)}, ""))


def advise_template(template: Json, path: str) -> Iterator[str]:
    """Everything about a template at ``path``, or about a Pod where that is empty."""
    spec, metadata = template.get("spec") or {}, template.get("metadata") or {}
    here = f"{path}.spec" if path else "spec"
    annotations = metadata.get("annotations") or {}
    about = f"{path}.metadata.annotations" if path else "metadata.annotations"
    containers = list(_containers(spec, here))
    yield from _placement(spec, here)
    for name, told in OLD_ANNOTATIONS.items():
        if name in annotations:
            yield f"{about}[{name}]: {told}"
    yield from _volumes(spec.get("volumes") or (), f"{here}.volumes")
    yield from _repetitions(spec, here)
    yield from _fractions(spec.get("overhead"), f"{here}.overhead")
    if SECCOMP_POD in annotations and not (spec.get("securityContext") or {}).get("seccompProfile"):
        yield f'{about}[{SECCOMP_POD}]: non-functional in v1.27+; use the "seccompProfile" field instead'
    for where, container in containers:
        yield from _container_annotations(container, annotations, about, is_template=bool(path))
        for kind in ("limits", "requests"):
            yield from _fractions((container.get("resources") or {}).get(kind), f"{where}.resources.{kind}")
        yield from _variables(container.get("env") or (), where)
    yield from _ports(containers)
    yield from _port_names(containers)
    if (spec.get("terminationGracePeriodSeconds") or 0) < 0:
        told = "must be >= 0; negative values are invalid and will be treated as 1"
        yield f"{here}.terminationGracePeriodSeconds: {told}"
    yield from _pod_affinity(spec.get("affinity") or {}, f"{here}.affinity")
    for position, server in enumerate((spec.get("dnsConfig") or {}).get("nameservers") or ()):
        yield from advise_address(f"{here}.dnsConfig.nameservers[{position}]", server)
    for position, alias in enumerate(spec.get("hostAliases") or ()):
        yield from advise_address(f"{here}.hostAliases[{position}].ip", alias.get("ip", ""))


def advise_node_term(term: Json, path: str, *, checks_values: bool = False) -> Iterator[str]:
    """Labels of nodes that are gone, in one term of a selector, and values that no label can have."""
    for position, expression in enumerate(term.get("matchExpressions") or ()):
        where, label = f"{path}.matchExpressions[{position}]", expression.get("key", "")
        if label in OLD_NODE_LABELS:
            yield f"{where}.key: {label} is {OLD_NODE_LABELS[label]}"
        if checks_values:
            for index, value in enumerate(expression.get("values") or ()):
                for wrong in check_label_value(value):
                    yield f"{where}.values[{index}]: {value} is invalid, {wrong}"


def advise_claim_spec(spec: Json, path: str) -> Iterator[str]:
    """Parts of a byte, which cannot be asked for."""
    for kind in ("requests", "limits"):
        amounts = (spec.get("resources") or {}).get(kind) or {}
        yield from _fractions(amounts, f"{path}.resources.{kind}", ("storage",))


def _containers(spec: Json, path: str) -> Iterator[tuple[str, Json]]:
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for position, container in enumerate(spec.get(kind) or ()):
            yield f"{path}.{kind}[{position}]", container


def _placement(spec: Json, path: str) -> Iterator[str]:
    for label in spec.get("nodeSelector") or ():
        if label in OLD_NODE_LABELS:
            yield f"{path}.nodeSelector[{label}]: {OLD_NODE_LABELS[label]}"
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    here = f"{path}.affinity.nodeAffinity"
    required = (affinity.get(f"required{_RUNS}") or {}).get("nodeSelectorTerms") or ()
    for position, term in enumerate(required):
        yield from advise_node_term(term, f"{here}.required{_RUNS}.nodeSelectorTerms[{position}]")
    for position, term in enumerate(affinity.get(f"preferred{_RUNS}") or ()):
        where = f"{here}.preferred{_RUNS}[{position}].preference"
        yield from advise_node_term(term.get("preference") or {}, where, checks_values=True)
    for position, constraint in enumerate(spec.get("topologySpreadConstraints") or ()):
        where, label = f"{path}.topologySpreadConstraints[{position}]", constraint.get("topologyKey", "")
        if label in OLD_NODE_LABELS:
            yield f"{where}.topologyKey: {label} is {OLD_NODE_LABELS[label]}"
        if constraint.get("labelSelector") is None:
            yield f"{where}.labelSelector: {_NO_SELECTOR}"


def _pod_affinity(affinity: Json, path: str) -> Iterator[str]:
    for kind in ("podAffinity", "podAntiAffinity"):
        terms = affinity.get(kind) or {}
        for position, term in enumerate(terms.get(f"required{_RUNS}") or ()):
            if term.get("labelSelector") is None:
                yield f"{path}.{kind}.required{_RUNS}[{position}].labelSelector: {_NO_SELECTOR}"
        for position, weighted in enumerate(terms.get(f"preferred{_RUNS}") or ()):
            if (weighted.get("podAffinityTerm") or {}).get("labelSelector") is None:
                where = f"{path}.{kind}.preferred{_RUNS}[{position}].podAffinityTerm.labelSelector"
                yield f"{where}: {_NO_SELECTOR}"


def _volumes(volumes: Iterable[Json], path: str) -> Iterator[str]:
    for position, volume in enumerate(volumes):
        if OLD_VOLUMES.keys().isdisjoint(volume):  # as nearly every volume of nearly every Pod
            continue
        for source, told in OLD_VOLUMES.items():
            if volume.get(source) is None:
                continue
            where = f"{path}[{position}].{_TOLD_OTHERWISE.get(source, source)}"
            if told:
                yield f"{where}: {told}"
            elif volume[source].get("volumeClaimTemplate"):
                claim = volume[source]["volumeClaimTemplate"].get("spec") or {}
                yield from advise_claim_spec(claim, f"{where}.volumeClaimTemplate.spec")
    for volume in volumes:
        yield from _overlaps(volume)


class _Path(NamedTuple):
    """A file in a volume, and where it comes from, in words."""

    path: str
    source: str = ""

    def __str__(self) -> str:
        return f'"{self.path}" ({self.source})' if self.source else f'"{self.path}"'


def _overlaps(volume: Json) -> Iterator[str]:
    """Files of a volume that would lie in one another's way."""
    if _WITH_FILES.isdisjoint(volume):
        return
    name = volume.get("name", "")
    for field, words, of in (
        ("configMap", 'ConfigMap "{}"', "name"), ("secret", 'Secret "{}"', "secretName"),
        ("downwardAPI", "DownwardAPI", ""),
    ):  # fmt: skip
        source = volume.get(field)
        if source is not None:
            told = words.format(source.get(of, "")) if of else words
            paths = [_Path(item.get("path", "")) for item in source.get("items") or ()]
            for collision in _collisions(paths):
                yield f'volume "{name}" ({told}): overlapping paths: {collision}'
    if volume.get("projected") is None:
        return
    paths = []
    for source in volume["projected"].get("sources") or ():
        if not source:
            yield f'volume "{name}" (Projected) has no sources provided'
        paths += _projected(source)
    for collision in _collisions(paths):
        yield f'volume "{name}" (Projected): overlapping paths: {collision}'


def _projected(source: Json) -> Iterator[_Path]:
    for field, words in (("configMap", "ConfigMap"), ("secret", "Secret"), ("downwardAPI", "DownwardAPI")):
        part = source.get(field)
        if not part:
            continue
        told = words if field == "downwardAPI" else f'{words} "{part.get("name", "")}"'
        yield from (_Path(item.get("path", ""), told) for item in part.get("items") or ())
    if source.get("serviceAccountToken"):
        yield _Path(source["serviceAccountToken"].get("path", ""), "ServiceAccountToken")
    bundle = source.get("clusterTrustBundle")
    if bundle:
        told = bundle.get("name") or bundle.get("signerName", "")
        yield _Path(bundle.get("path", ""), f'ClusterTrustBundle "{told}"')
    certificate = source.get("podCertificate")
    for field, words in (
        ("certificateChainPath", "chain"), ("keyPath", "key"), ("credentialBundlePath", "credential bundle"),
    ):  # fmt: skip
        if certificate and certificate.get(field):
            yield _Path(certificate[field], f"PodCertificate {words}")


def _collisions(paths: Sequence[_Path]) -> Iterator[str]:
    if len({given.path.partition("/")[0] for given in paths}) == len(paths):
        return  # no two begin alike
    before: list[_Path] = []
    for given in paths:
        one = given._replace(path=given.path.rstrip("/"))
        for other in before if one.path else ():
            mine, its = f"{one.path}/", f"{other.path}/"
            if other.path and (its.startswith(mine) or mine.startswith(its)):
                yield f"{one} with {other}"
        before.append(one)


def _repetitions(spec: Json, path: str) -> Iterator[str]:
    for field, of in (("hostAliases", "ip"), ("imagePullSecrets", "name")):
        seen: set[str] = set()
        for position, item in enumerate(spec.get(field) or ()):
            value = item.get(of, "")
            if value in seen:
                yield f'{path}.{field}[{position}].{of}: duplicate {of} "{value}"'
            seen.add(value)
    for position, item in enumerate(spec.get("imagePullSecrets") or ()):
        if not item.get("name"):
            yield f'{path}.imagePullSecrets[{position}].name: invalid empty name ""'


def _fractions(
    amounts: Json | None, path: str, names: Iterable[str] = ("memory", "ephemeral-storage")
) -> Iterator[str]:
    for name in names:
        if amounts and name in amounts:
            amount = parse_quantity(amounts[name])
            if amount.milli_value % 1000:
                yield f'{path}[{name}]: fractional byte value "{amount}" is invalid, must be an integer'


def _container_annotations(
    container: Json, annotations: Mapping[str, str], path: str, *, is_template: bool
) -> Iterator[str]:
    context = container.get("securityContext") or {}
    label = SECCOMP_CONTAINER + container.get("name", "")
    if label in annotations and not context.get("seccompProfile"):
        yield f'{path}[{label}]: non-functional in v1.27+; use the "seccompProfile" field instead'
    label = APPARMOR_CONTAINER + container.get("name", "")
    if is_template and label in annotations and not context.get("appArmorProfile"):
        yield f'{path}[{label}]: deprecated since v1.30; use the "appArmorProfile" field instead'


def _variables(variables: Iterable[Json], path: str) -> Iterator[str]:
    seen: set[str] = set()
    for position, variable in enumerate(variables):
        name, value = variable.get("name", ""), variable.get("value") or ""
        before = f"$({name})"
        if name in seen and (variable.get("valueFrom") or value == before or before not in value):
            told = f'hides previous definition of "{name}", which may be dropped when using apply'
            yield f"{path}.env[{position}]: {told}"
        seen.add(name)


def _ports(containers: Iterable[tuple[str, Json]]) -> Iterator[str]:
    known: dict[tuple[int, str], list[tuple[str, Json]]] = {}
    for path, container in containers:
        for position, port in enumerate(container.get("ports") or ()):
            where = f"{path}.ports[{position}]"
            if port.get("hostIP") and not port.get("hostPort"):
                yield f"{where}: hostIP set without hostPort: {_in_memory(port)}"
            others = known.setdefault((port.get("containerPort", 0), port.get("protocol", "TCP")), [])
            for other_path, other in others:
                relation = _relation(port, other)
                if relation:
                    yield f"{where}: {relation} port definition with {other_path}"
            others.append((where, port))


def _relation(port: Json, other: Json) -> str:
    """What two definitions of one port have to do with each other; empty for nothing that matters."""
    mine = port.get("hostIP", ""), port.get("hostPort") or 0
    its = other.get("hostIP", ""), other.get("hostPort") or 0
    if mine == its:
        return "duplicate"
    if not mine[1] or not its[1]:
        return "overlapping"
    is_unclear = mine[1] == its[1] and bool(mine[0]) != bool(its[0])
    return "dangerously ambiguous" if is_unclear else ""


def _in_memory(port: Json) -> str:
    """A port as Go prints a struct with the names of its fields."""
    return (
        f"{{Name:{port.get('name', '')} HostPort:{port.get('hostPort') or 0} "
        f"ContainerPort:{port.get('containerPort', 0)} Protocol:{port.get('protocol', 'TCP')} "
        f"HostIP:{port.get('hostIP', '')}}}"
    )


def _port_names(containers: Iterable[tuple[str, Json]]) -> Iterator[str]:
    known: dict[str, str] = {}
    for path, container in containers:
        for position, port in enumerate(container.get("ports") or ()):
            name, where = port.get("name", ""), f"{path}.ports[{position}]"
            if not name:
                continue
            other = known.setdefault(name, where)
            if other != where:
                yield (
                    f'{where}: duplicate port name "{name}" with {other}, services and probes that select '
                    f"ports by name will use {other}"
                )
