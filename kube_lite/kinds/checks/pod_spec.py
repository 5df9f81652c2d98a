"""Rules for Pods and Pod templates: ``ValidatePodSpec`` in ``pkg/apis/core/validation/validation.go``.

Nearly every Pod is made from a template, as are many more with the same spec, and every write of a workload
looks at its template again. So what is wrong with a spec, mostly nothing, is remembered by its content.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache

import orjson

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import (
    Shown,
    duplicate,
    each,
    forbidden,
    invalid,
    one_of,
    required,
    too_long,
)
from kube_lite.api.identity import Json
from kube_lite.api.metadata_rules import check_annotations, check_labels
from kube_lite.api.names import (
    check_label,
    check_qualified_name,
    check_subdomain,
    check_subdomain_with_underscore,
)

from .amounts import check_pod_resources, check_resources
from .containers import (
    Around,
    check_containers,
    check_ephemeral_containers,
    check_image_of_pod,
    check_init_containers,
    check_ports_of_host,
)
from .environment import check_files_of_variables
from .go_struct import go_struct
from .operating_systems import LISTS, check_host_process, check_system
from .placement import check_affinity, check_spread, check_tolerations
from .pod_annotations import check_pod_annotations, check_profile_annotations
from .security import check_host_users, check_pod_security
from .values import check_ip
from .volume_sources import check_volumes, good_volumes

POD_PATH = "spec"
"""Where the spec of a Pod is; those of templates are elsewhere."""
RESTART_POLICIES = ("Always", "OnFailure", "Never")
DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
PREEMPTION = ("PreemptLowerPriority", "Never")
CLAIM_SOURCES = ("resourceClaimName", "resourceClaimTemplateName")
NAMESERVERS_MAX, SEARCHES_MAX, SEARCHES_LENGTH_MAX = 3, 32, 2048
HOSTNAME_MAX = 64
DEADLINE_MAX = 2**31 - 1
NULL = Shown("null")
REMEMBERED_SPECS = 128
REMEMBERED_BYTES = 16 * 1024  # larger specs are looked at each time


def check_pod(pod: Json) -> Iterator[Cause]:
    """A Pod, its metadata apart."""
    spec, metadata = pod.get("spec") or {}, pod["metadata"]
    annotations = metadata.get("annotations")
    if annotations:
        yield from check_pod_annotations(annotations, spec)
    yield from check_pod_spec(spec, POD_PATH, metadata.get("name") or "")
    if not spec.get("serviceAccountName"):
        yield from _check_tokens_of_nobody(spec.get("volumes") or ())
    for kind in ("containers", "initContainers"):
        for position, container in enumerate(spec.get(kind) or ()):
            yield from check_image_of_pod(container, f"spec.{kind}[{position}]")
    if not metadata.get("resourceVersion"):
        yield from _check_new(spec, annotations)


def _check_tokens_of_nobody(volumes: Iterable[Json]) -> Iterator[Cause]:
    why = "must not be specified when serviceAccountName is not set"
    for position, volume in enumerate(volumes):
        for place, source in enumerate((volume.get("projected") or {}).get("sources") or ()):
            if source.get("serviceAccountToken") is not None:
                here = f"spec.volumes[{position}].projected.sources[{place}].serviceAccountToken"
                yield forbidden(here, why)


def _check_new(spec: Json, annotations: Json | None) -> Iterator[Cause]:
    if spec.get("ephemeralContainers"):
        yield forbidden("spec.ephemeralContainers", "cannot be set on create")
    if spec.get("nodeName") and spec.get("schedulingGates"):
        yield forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared")
    if annotations:
        yield from check_profile_annotations(annotations, spec)


def check_template(template: Json, path: str) -> Iterator[Cause]:
    """A Pod template."""
    yield from check_template_metadata(template, path)
    spec, annotations = template.get("spec") or {}, (template.get("metadata") or {}).get("annotations")
    yield from check_pod_spec(spec, f"{path}.spec")
    if annotations:
        yield from check_profile_annotations(annotations, spec, f"{path}.spec")
    if spec.get("ephemeralContainers"):
        yield forbidden(
            f"{path}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template"
        )


def check_template_metadata(template: Json, path: str) -> Iterator[Cause]:
    """What its Pods get besides a spec."""
    metadata = template.get("metadata") or {}
    yield from check_labels(metadata.get("labels") or {}, f"{path}.labels")
    annotations = metadata.get("annotations")
    if annotations:
        yield from check_annotations(annotations, f"{path}.annotations")
        yield from check_pod_annotations(annotations, template.get("spec") or {}, f"{path}.annotations")


def check_pod_spec(spec: Json, path: str, pod_name: str = "") -> Iterable[Cause]:
    """What Pods and templates have in common, in the order of the reference.

    Args:
        pod_name: of a Pod; claims that are made for it are called after it.
    """
    if pod_name and any(volume.get("ephemeral") is not None for volume in spec.get("volumes") or ()):
        return _check_spec(spec, path, pod_name)
    content = orjson.dumps(spec)
    return _remembered(content, path) if len(content) <= REMEMBERED_BYTES else _check_spec(spec, path)


@lru_cache(maxsize=REMEMBERED_SPECS)
def _remembered(content: bytes, path: str) -> tuple[Cause, ...]:
    return tuple(_check_spec(orjson.loads(content), path))


def _check_spec(spec: Json, path: str, pod_name: str = "") -> Iterator[Cause]:
    around = _around(spec, path)
    if spec.get("volumes"):
        yield from check_volumes(spec["volumes"], f"{path}.volumes", pod_name)
    if spec.get("resourceClaims"):
        yield from _check_claims(spec["resourceClaims"], f"{path}.resourceClaims")
    yield from check_containers(spec.get("containers") or (), f"{path}.containers", around)
    if spec.get("initContainers"):
        yield from check_init_containers(spec, f"{path}.initContainers", around)
    if spec.get("ephemeralContainers"):
        yield from check_ephemeral_containers(spec, f"{path}.ephemeralContainers", around)
    if spec.get("resources") is not None:
        yield from check_pod_resources(spec, path, around.claims, windows=around.system == "windows")
    if spec.get("hostNetwork"):
        here, is_pod = f"{path}.containers", path == POD_PATH
        yield from check_ports_of_host(spec.get("containers") or (), here, is_pod=is_pod)
    for check in PARTS:
        yield from check(spec, path)


def _around(spec: Json, path: str) -> Around:
    volumes = spec.get("volumes") or ()
    return Around(
        {volume.get("name") or "": volume for volume in good_volumes(volumes, f"{path}.volumes")},
        spec.get("restartPolicy") or "",
        spec.get("terminationGracePeriodSeconds"),
        frozenset(claim["name"] for claim in spec.get("resourceClaims") or () if claim.get("name")),
        None if spec.get("os") is None else spec["os"].get("name") or "",
        spec.get("hostUsers") is not False,
    )


def _check_claims(claims: list[Json], path: str) -> Iterator[Cause]:
    names: set[str] = set()
    for position, claim in enumerate(claims):
        here, name = f"{path}[{position}]", claim.get("name") or ""
        if not name:
            yield required(f"{here}.name")
        elif name in names:
            yield duplicate(f"{here}.name", name)
        else:
            yield from each(f"{here}.name", name, check_label(name))
            names.add(name)
        given = [field for field in CLAIM_SOURCES if claim.get(field) is not None]
        if len(given) != 1:
            one, other = CLAIM_SOURCES
            why = (
                f"at most one of `{one}` or `{other}` may be specified"
                if given
                else f"must specify one of: `{one}`, `{other}`"
            )
            yield invalid(here, go_struct(claim, "core.v1.PodResourceClaim"), why)
        for field in given:
            yield from each(f"{here}.{field}", claim[field], check_subdomain(claim[field]))


def _check_policies(spec: Json, path: str) -> Iterator[Cause]:
    for field, known in (("restartPolicy", RESTART_POLICIES), ("dnsPolicy", DNS_POLICIES)):
        value = spec.get(field) or ""
        if not value:
            yield required(f"{path}.{field}")
        else:
            yield from one_of(f"{path}.{field}", value, known)
    if spec.get("nodeSelector"):
        yield from check_labels(spec["nodeSelector"], f"{path}.nodeSelector")
    if spec.get("securityContext") is not None:
        yield from check_pod_security(spec["securityContext"], spec, f"{path}.securityContext")
    if spec.get("affinity"):
        yield from check_affinity(spec["affinity"], f"{path}.affinity")


def _check_dns(spec: Json, path: str) -> Iterator[Cause]:
    config = spec.get("dnsConfig")
    here = f"{path}.dnsConfig"
    servers = (config or {}).get("nameservers") or []
    if spec.get("dnsPolicy") == "None" and not servers:
        if config is None:
            yield required(here, "must provide `dnsConfig` when `dnsPolicy` is None")
        else:
            why = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            yield required(f"{here}.nameservers", why)
        return
    config = config or {}
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
        if search != ".":
            name = search.removesuffix(".")
            yield from each(f"{path}[{position}]", name, check_subdomain_with_underscore(name))


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


def _check_hosts(spec: Json, path: str) -> Iterator[Cause]:
    yield from check_host_process(spec, path)
    if spec.get("hostUsers") is False:
        yield from check_host_users(spec, path, LISTS)
    name, here = spec.get("hostnameOverride"), f"{path}.hostnameOverride"
    if name is None:
        return
    for field in ("setHostnameAsFQDN", "hostNetwork"):
        if spec.get(field):
            yield forbidden(here, f"may not be specified when {field} is true")
    if len(name) > HOSTNAME_MAX:
        yield too_long(here, HOSTNAME_MAX)
    yield from each(here, name, check_subdomain(name))


def _check_names(spec: Json, path: str) -> Iterator[Cause]:
    for field in ("serviceAccountName", "nodeName"):
        if spec.get(field):
            yield from each(f"{path}.{field}", spec[field], check_subdomain(spec[field]))
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= DEADLINE_MAX:
        why = f"must be between 1 and {DEADLINE_MAX}, inclusive"
        yield invalid(f"{path}.activeDeadlineSeconds", deadline, why)
    for field in ("hostname", "subdomain"):
        if spec.get(field):
            yield from each(f"{path}.{field}", spec[field], check_label(spec[field]))
    if spec.get("tolerations"):
        yield from check_tolerations(spec["tolerations"], f"{path}.tolerations")


def _check_aliases(spec: Json, path: str) -> Iterator[Cause]:
    for position, alias in enumerate(spec.get("hostAliases") or ()):
        here = f"{path}.hostAliases[{position}]"
        yield from check_ip(f"{here}.ip", alias.get("ip") or "")
        for place, hostname in enumerate(alias.get("hostnames") or ()):
            yield from each(f"{here}.hostnames[{place}]", hostname, check_subdomain(hostname))
    if spec.get("priorityClassName"):
        name = spec["priorityClassName"]
        yield from each(f"{path}.priorityClassName", name, check_subdomain(name))
    if spec.get("runtimeClassName") is not None:
        name = spec["runtimeClassName"]
        yield from each(f"{path}.runtimeClassName", name, check_subdomain(name))
    policy = spec.get("preemptionPolicy")
    if policy == "":
        yield required(f"{path}.preemptionPolicy")
    elif policy is not None:
        yield from one_of(f"{path}.preemptionPolicy", policy, PREEMPTION)


def _check_rest(spec: Json, path: str) -> Iterator[Cause]:
    if spec.get("overhead"):
        yield from check_resources({"limits": spec["overhead"]}, f"{path}.overhead")
    if spec.get("os") is not None:
        yield from check_system(spec, path)
    group = spec.get("schedulingGroup")
    if group is not None:
        name = group.get("podGroupName")
        here = f"{path}.schedulingGroup.podGroupName"
        if name is None:
            yield invalid(here, NULL, "must specify one of: `podGroupName`")
        else:
            yield from each(here, name, check_subdomain(name))
    yield from check_files_of_variables(spec, path, LISTS)


Part = Callable[[Json, str], Iterator[Cause]]

PARTS: Sequence[Part] = (
    _check_policies,
    _check_dns,
    _check_gates,
    _check_hosts,
    _check_names,
    _check_aliases,
    _check_rest,
)
"""In the order in which the reference finds faults."""


def check_pod_template(template: Json) -> Iterator[Cause]:
    """A PodTemplate."""
    yield from check_template(template.get("template") or {}, "template")
