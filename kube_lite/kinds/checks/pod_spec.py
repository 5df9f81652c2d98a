"""Rules for Pods and Pod templates: ``ValidatePodSpec`` in ``pkg/apis/core/validation/validation.go``.

Nearly every Pod is made from a template, as are many more with the same spec, and every write of a workload
looks at its template again. So what is wrong with a spec, mostly nothing, is remembered by its content.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache

import orjson

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import (
    duplicate,
    each,
    forbidden,
    invalid,
    not_found,
    not_negative,
    not_supported,
    one_of,
    required,
)
from kube_lite.api.identity import Json
from kube_lite.api.metadata_rules import check_annotations, check_labels
from kube_lite.api.names import check_label, check_qualified_name, check_subdomain

from .containers import Around, check_container, check_containers, check_init_containers, check_resources
from .placement import check_affinity, check_spread, check_tolerations
from .security import check_pod_security, check_windows
from .values import check_ip
from .volume_sources import check_volumes

RESTART_POLICIES = ("Always", "OnFailure", "Never")
DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
NAMESERVERS_MAX, SEARCHES_MAX, SEARCHES_LENGTH_MAX = 3, 32, 2048
DEADLINE_MAX = 2**31 - 1
REMEMBERED_SPECS = 128
REMEMBERED_BYTES = 16 * 1024  # larger specs are looked at each time
EPHEMERAL_FORBIDS = ("ports", "lifecycle", "livenessProbe", "readinessProbe", "startupProbe", "resources")


def check_pod(pod: Json) -> Iterator[Cause]:
    """A Pod, its metadata apart."""
    spec = pod.get("spec") or {}
    yield from check_pod_spec(spec, "spec")
    if not pod["metadata"].get("resourceVersion") and spec.get("ephemeralContainers"):
        yield forbidden("spec.ephemeralContainers", "cannot be set on create")
    for position, address in enumerate((pod.get("status") or {}).get("podIPs") or ()):
        yield from check_ip(f"status.podIPs[{position}]", address.get("ip") or "")


def check_template(template: Json, path: str) -> Iterator[Cause]:
    """A Pod template."""
    yield from check_template_metadata(template, path)
    spec = template.get("spec") or {}
    yield from check_pod_spec(spec, f"{path}.spec")
    if spec.get("ephemeralContainers"):
        yield forbidden(
            f"{path}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template"
        )


def check_template_metadata(template: Json, path: str) -> Iterator[Cause]:
    """What its Pods get besides a spec."""
    metadata = template.get("metadata") or {}
    yield from check_labels(metadata.get("labels") or {}, f"{path}.labels")
    yield from check_annotations(metadata.get("annotations") or {}, f"{path}.annotations")


def check_pod_spec(spec: Json, path: str) -> Iterable[Cause]:
    """What Pods and templates have in common, in the order of the reference."""
    content = orjson.dumps(spec)
    return _remembered(content, path) if len(content) <= REMEMBERED_BYTES else _check_spec(spec, path)


@lru_cache(maxsize=REMEMBERED_SPECS)
def _remembered(content: bytes, path: str) -> tuple[Cause, ...]:
    return tuple(_check_spec(orjson.loads(content), path))


def _check_spec(spec: Json, path: str) -> Iterator[Cause]:
    volumes = {volume.get("name") or "": volume for volume in spec.get("volumes") or ()}
    around = Around(
        volumes,
        bool(spec.get("hostNetwork")),
        spec.get("restartPolicy") or "",
        spec.get("terminationGracePeriodSeconds"),
    )
    if volumes:
        yield from check_volumes(spec["volumes"], f"{path}.volumes")
    yield from check_containers(spec, path, around)
    if spec.get("initContainers"):
        yield from check_init_containers(spec, path, around)
    if spec.get("ephemeralContainers"):
        yield from _check_ephemeral(spec, path, around)
    for check in PARTS:
        yield from check(spec, path)


def _check_ephemeral(spec: Json, path: str, around: Around) -> Iterator[Cause]:
    names = {
        container.get("name")
        for kind in ("containers", "initContainers")
        for container in spec.get(kind) or ()
    }
    targets = frozenset(names)
    for position, container in enumerate(spec["ephemeralContainers"]):
        here = f"{path}.ephemeralContainers[{position}]"
        yield from check_container(container, here, around)
        if container.get("name") in names:
            yield duplicate(f"{here}.name", container.get("name"))
        names.add(container.get("name"))
        for field in EPHEMERAL_FORBIDS:
            if container.get(field):
                yield forbidden(f"{here}.{field}", "cannot be set for an Ephemeral Container")
        target = container.get("targetContainerName")
        if target and target not in targets:
            yield not_found(f"{here}.targetContainerName", target)


def _check_policies(spec: Json, path: str) -> Iterator[Cause]:
    for field, known in (("restartPolicy", RESTART_POLICIES), ("dnsPolicy", DNS_POLICIES)):
        value = spec.get(field) or ""
        if not value:
            yield required(f"{path}.{field}")
        else:
            yield from one_of(f"{path}.{field}", value, known)
    if spec.get("nodeSelector"):
        yield from check_labels(spec["nodeSelector"], f"{path}.nodeSelector")
    if spec.get("securityContext"):
        yield from check_pod_security(spec["securityContext"], spec, f"{path}.securityContext")
    if spec.get("affinity"):
        yield from check_affinity(spec["affinity"], f"{path}.affinity")


def _check_dns(spec: Json, path: str) -> Iterator[Cause]:
    config = spec.get("dnsConfig") or {}
    here = f"{path}.dnsConfig"
    servers = config.get("nameservers") or []
    if spec.get("dnsPolicy") == "None" and not servers:
        if not config:
            yield required(here, "must provide `dnsConfig` when `dnsPolicy` is None")
        else:
            why = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            yield required(f"{here}.nameservers", why)
        return
    if len(servers) > NAMESERVERS_MAX:
        why = f"must not have more than {NAMESERVERS_MAX} nameservers"
        yield invalid(f"{here}.nameservers", servers, why)
    for position, server in enumerate(servers):
        yield from check_ip(f"{here}.nameservers[{position}]", server)
    yield from _check_searches(config.get("searches") or [], f"{here}.searches")
    for position, option in enumerate(config.get("options") or ()):
        if not option.get("name"):
            yield required(f"{here}.options[{position}]", "must not be empty")


def _check_searches(searches: list[str], path: str) -> Iterator[Cause]:
    if len(searches) > SEARCHES_MAX:
        yield invalid(path, searches, f"must not have more than {SEARCHES_MAX} search paths")
    if len(" ".join(searches)) > SEARCHES_LENGTH_MAX:
        why = (
            f"must not have more than {SEARCHES_LENGTH_MAX} characters (including spaces) in the search list"
        )
        yield invalid(path, searches, why)
    for position, search in enumerate(searches):
        if search != ".":  # underscores are let through, because DNS servers do
            yield from each(
                f"{path}[{position}]", search, check_subdomain(search.removesuffix(".").replace("_", "x"))
            )


def _check_gates(spec: Json, path: str) -> Iterator[Cause]:
    for position, gate in enumerate(spec.get("readinessGates") or ()):
        name = gate.get("conditionType") or ""
        yield from each(f"{path}.readinessGates[{position}].conditionType", name, check_qualified_name(name))
    names: set[str] = set()
    for position, gate in enumerate(spec.get("schedulingGates") or ()):
        here, name = f"{path}.schedulingGates[{position}]", gate.get("name") or ""
        yield from each(here, name, check_qualified_name(name))
        if name in names:
            yield duplicate(here, name)
        names.add(name)
    if spec.get("topologySpreadConstraints"):
        yield from check_spread(spec["topologySpreadConstraints"], f"{path}.topologySpreadConstraints")


def _check_names(spec: Json, path: str) -> Iterator[Cause]:
    for field in ("serviceAccountName", "nodeName"):
        if spec.get(field):
            yield from each(f"{path}.{field}", spec[field], check_subdomain(spec[field]))
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= DEADLINE_MAX:
        yield invalid(
            f"{path}.activeDeadlineSeconds", deadline, f"must be between 1 and {DEADLINE_MAX}, inclusive"
        )
    for field in ("hostname", "subdomain"):
        if spec.get(field):
            yield from each(f"{path}.{field}", spec[field], check_label(spec[field]))
    if spec.get("tolerations"):
        yield from check_tolerations(spec["tolerations"], f"{path}.tolerations")


def _check_aliases(spec: Json, path: str) -> Iterator[Cause]:
    for position, alias in enumerate(spec.get("hostAliases") or ()):
        here = f"{path}.hostAliases[{position}]"
        yield from check_ip(f"{here}.ip", alias.get("ip") or "")
        for hostname in alias.get("hostnames") or ():
            yield from each(f"{here}.hostnames", hostname, check_subdomain(hostname))
    for field in ("priorityClassName", "runtimeClassName"):
        if spec.get(field):
            yield from each(f"{path}.{field}", spec[field], check_subdomain(spec[field]))
    if spec.get("preemptionPolicy") is not None:
        yield from one_of(
            f"{path}.preemptionPolicy", spec["preemptionPolicy"], ("PreemptLowerPriority", "Never")
        )


def _check_rest(spec: Json, path: str) -> Iterator[Cause]:
    seconds = spec.get("terminationGracePeriodSeconds")
    if seconds is not None and seconds < 0 and path != "spec":
        yield from not_negative(f"{path}.terminationGracePeriodSeconds", seconds)
    if spec.get("overhead"):
        yield from check_resources({"limits": spec["overhead"]}, f"{path}.overhead")
    if spec.get("resources"):
        yield from check_resources(spec["resources"], f"{path}.resources")
    system = (spec.get("os") or {}).get("name")
    if spec.get("os") is None:
        return
    if not system:
        yield required(f"{path}.os.name", "cannot be empty")
    elif system not in ("linux", "windows"):
        yield not_supported(f"{path}.os", system, ("linux", "windows"))
    if system == "windows" and spec.get("securityContext"):
        yield from check_windows(spec["securityContext"], f"{path}.securityContext")


Part = Callable[[Json, str], Iterator[Cause]]

PARTS: Sequence[Part] = (
    _check_policies,
    _check_dns,
    _check_gates,
    _check_names,
    _check_aliases,
    _check_rest,
)
"""In the order in which the reference finds faults."""


def check_pod_template(template: Json) -> Iterator[Cause]:
    """A PodTemplate."""
    yield from check_template(template.get("template") or {}, "template")
