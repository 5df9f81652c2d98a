"""Rules for containers: names, ports, variables, mounts, probes, hooks and resources.

Every function yields causes in the order in which ``pkg/apis/core/validation/validation.go`` finds them.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

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
from kube_lite.api.names import check_config_key, check_label, check_qualified_name, check_subdomain
from kube_lite.api.quantity import parse_quantity

from .security import check_container_security
from .values import (
    WHOLE,
    check_amount,
    check_no_backsteps,
    check_port,
    check_port_name,
    check_port_or_name,
    check_resource_name,
    is_whole,
)

PULL_POLICIES = ("Always", "IfNotPresent", "Never")
MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
PROTOCOLS = ("SCTP", "TCP", "UDP")
STANDARD_RESOURCES = frozenset([
    "cpu", "memory", "ephemeral-storage", "storage", "requests.cpu", "requests.memory",
    "requests.ephemeral-storage", "limits.cpu", "limits.memory", "limits.ephemeral-storage", "pods",
    "resourcequotas", "services", "replicationcontrollers", "secrets", "configmaps", "persistentvolumeclaims",
    "requests.storage", "services.nodeports", "services.loadbalancers",
])  # fmt: skip
CONTAINER_RESOURCES = frozenset(["cpu", "memory", "ephemeral-storage"])
FIELD_PATHS = frozenset([
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
    "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
])  # fmt: skip
RESOURCE_FIELDS = (
    "limits.cpu", "limits.ephemeral-storage", "limits.memory",
    "requests.cpu", "requests.ephemeral-storage", "requests.memory",
)  # fmt: skip
HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")
_ENVIRONMENT_NAME = re.compile("[ -<>-~]+")
_SUBSCRIPTED = re.compile(r"metadata\.(annotations|labels)\['(.*)'\]")


class Around(NamedTuple):
    """What a container finds in its Pod."""

    volumes: dict[str, Json]
    host_network: bool
    restart_policy: str
    grace_seconds: int | None


def check_containers(spec: Json, path: str, around: Around) -> Iterator[Cause]:
    """The ordinary containers."""
    containers = spec.get("containers") or ()
    here = f"{path}.containers"
    if not containers:
        yield required(here)
        return
    names: set[str] = set()
    for position, container in enumerate(containers):
        at = f"{here}[{position}]"
        yield from check_container(container, at, around)
        name = container.get("name") or ""
        if name in names:
            yield duplicate(f"{at}.name", name)
        elif name:
            names.add(name)
        if "restartPolicy" in container and container["restartPolicy"] not in (
            "Always",
            "OnFailure",
            "Never",
        ):
            yield not_supported(
                f"{at}.restartPolicy", container["restartPolicy"], ("Always", "OnFailure", "Never")
            )
        yield from _check_hooks(container, at)
        yield from _check_probes(container, at, around)
    yield from check_host_ports(containers, here)


def check_init_containers(spec: Json, path: str, around: Around) -> Iterator[Cause]:
    """Containers that run before the others, or beside them when they always restart."""
    names = {container.get("name") for container in spec.get("containers") or ()}
    for position, container in enumerate(spec.get("initContainers") or ()):
        at = f"{path}.initContainers[{position}]"
        yield from check_container(container, at, around)
        name = container.get("name") or ""
        if name in names:
            yield duplicate(f"{at}.name", name)
        elif name:
            names.add(name)
        if container.get("restartPolicy") == "Always":
            yield from _check_hooks(container, at)
            yield from _check_probes(container, at, around)
            continue
        for field in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe"):
            if container.get(field) is not None:
                why = "may not be set for init containers without restartPolicy=Always"
                yield forbidden(f"{at}.{field}", why)


def check_container(container: Json, path: str, around: Around) -> Iterator[Cause]:
    """What all kinds of containers have in common."""
    name, image = container.get("name") or "", container.get("image") or ""
    if not name:
        yield required(f"{path}.name")
    else:
        yield from each(f"{path}.name", name, check_label(name))
    if not image:
        yield required(f"{path}.image")
    elif image != image.strip():
        yield invalid(f"{path}.image", image, "must not have leading or trailing whitespace")
    yield from one_of(
        f"{path}.terminationMessagePolicy", container.get("terminationMessagePolicy"), MESSAGE_POLICIES
    )
    ports = container.get("ports")
    if ports:
        yield from check_ports(ports, f"{path}.ports", around)
    for position, variable in enumerate(container.get("env") or ()):
        yield from _check_variable(variable, f"{path}.env[{position}]")
    for source in container.get("envFrom") or ():
        yield from _check_environment_source(source, f"{path}.envFrom")
    if container.get("volumeMounts"):
        yield from check_mounts(container["volumeMounts"], around.volumes, f"{path}.volumeMounts")
    yield from _check_devices(container, around.volumes, path)
    yield from one_of(f"{path}.imagePullPolicy", container.get("imagePullPolicy"), PULL_POLICIES)
    resources = container.get("resources")
    if resources:
        yield from check_resources(resources, f"{path}.resources")
    if container.get("securityContext"):
        yield from check_container_security(container["securityContext"], f"{path}.securityContext")


def check_ports(ports: list[Json], path: str, around: Around) -> Iterator[Cause]:
    """Ports of one container."""
    names: set[str] = set()
    for position, port in enumerate(ports):
        here = f"{path}[{position}]"
        name, number = port.get("name"), port.get("containerPort") or 0
        if name:
            wrong = list(check_port_name(f"{here}.name", name))
            if wrong:
                yield from wrong
            elif name in names:
                yield duplicate(f"{here}.name", name)
            names.add(name)
        if number == 0:
            yield required(f"{here}.containerPort")
        else:
            yield from check_port(f"{here}.containerPort", number)
        host_port = port.get("hostPort")
        if host_port:
            yield from check_port(f"{here}.hostPort", host_port)
            if around.host_network and host_port != number:
                why = "must match `containerPort` when `hostNetwork` is true"
                yield invalid(f"{here}.hostPort", host_port, why)
        protocol = port.get("protocol")
        if not protocol:
            yield required(f"{here}.protocol")
        else:
            yield from one_of(f"{here}.protocol", protocol, PROTOCOLS)


def check_host_ports(containers: list[Json], path: str) -> Iterator[Cause]:
    """No two containers take the same port of the node."""
    taken: set[str] = set()
    for position, container in enumerate(containers):
        for place, port in enumerate(container.get("ports") or ()):
            number = port.get("hostPort")
            if not number:
                continue
            what = f"{port.get('protocol')}/{port.get('hostIP', '')}/{number}"
            if what in taken:
                yield duplicate(f"{path}[{position}].ports[{place}].hostPort", what)
            taken.add(what)


def _check_variable(variable: Json, path: str) -> Iterator[Cause]:
    name = variable.get("name") or ""
    if not name:
        yield required(f"{path}.name")
    elif not _ENVIRONMENT_NAME.fullmatch(name):
        why = (
            "a valid environment variable name must consist only of printable ASCII characters other than '='"
        )
        yield invalid(f"{path}.name", name, why)
    if variable.get("valueFrom") is not None:
        yield from _check_value_source(variable, f"{path}.valueFrom")


def _check_value_source(variable: Json, here: str) -> Iterator[Cause]:
    source = variable["valueFrom"]
    count = 0
    if source.get("fieldRef") is not None:
        count += 1
        yield from check_field_ref(source["fieldRef"], f"{here}.fieldRef", FIELD_PATHS)
    if source.get("resourceFieldRef") is not None:
        count += 1
        yield from check_resource_ref(source["resourceFieldRef"], f"{here}.resourceFieldRef", is_file=False)
    for kind in ("configMapKeyRef", "secretKeyRef", "fileKeyRef"):
        reference = source.get(kind)
        if reference is not None:
            count += 1
            yield from _check_key_ref(reference, f"{here}.{kind}", is_file=kind == "fileKeyRef")
    if count == 0:
        yield invalid(
            here, "",
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or "
            "`fileKeyRef`",
        )  # fmt: skip
    elif variable.get("value"):
        yield invalid(here, "", "may not be specified when `value` is not empty")
    elif count > 1:
        yield invalid(here, "", "may not have more than one field specified at a time")


def check_field_ref(reference: Json, path: str, known: frozenset[str]) -> Iterator[Cause]:
    """A field of the Pod that a variable or a file shows."""
    field = reference.get("fieldPath") or ""
    if not reference.get("apiVersion"):
        yield required(f"{path}.apiVersion")
        return
    if not field:
        yield required(f"{path}.fieldPath")
        return
    here = f"{path}.fieldPath"
    subscripted = _SUBSCRIPTED.fullmatch(field)
    if subscripted:
        key = subscripted[2]
        yield from each(
            here, key, check_qualified_name(key.lower() if subscripted[1] == "annotations" else key)
        )
    elif field not in ALL_FIELD_PATHS:
        yield invalid(here, field, f"error converting fieldPath: field label not supported: {field}")
    elif field not in known:
        yield not_supported(here, field, sorted(known))


ALL_FIELD_PATHS = FIELD_PATHS | {
    "metadata.labels",
    "metadata.annotations",
    "spec.restartPolicy",
    "spec.schedulerName",
}
ALL_FIELD_PATHS |= {"status.phase"}


def check_resource_ref(reference: Json, path: str, *, is_file: bool) -> Iterator[Cause]:
    """An amount of resources that a variable or a file shows."""
    resource = reference.get("resource") or ""
    if is_file and not reference.get("containerName"):
        yield required(f"{path}.containerName")
    elif not resource:
        yield required(f"{path}.resource")
    elif resource not in RESOURCE_FIELDS and not resource.startswith(
        ("requests.hugepages-", "limits.hugepages-")
    ):
        yield not_supported(f"{path}.resource", resource, RESOURCE_FIELDS)


def _check_key_ref(reference: Json, path: str, *, is_file: bool) -> Iterator[Cause]:
    if not is_file and not reference.get("name"):
        yield required(f"{path}.name")
    key = reference.get("key") or ""
    if not key:
        yield required(f"{path}.key")
    elif not is_file:
        yield from each(f"{path}.key", key, check_config_key(key))


def _check_environment_source(source: Json, path: str) -> Iterator[Cause]:
    if source.get("prefix") and not _ENVIRONMENT_NAME.fullmatch(source["prefix"]):
        why = (
            "a valid environment variable name must consist only of printable ASCII characters other than '='"
        )
        yield invalid(f"{path}.prefix", source["prefix"], why)
    kinds = [kind for kind in ("configMapRef", "secretRef") if source.get(kind) is not None]
    for kind in kinds:
        name = source[kind].get("name") or ""
        if not name:
            yield required(f"{path}.{kind}.name")
        else:
            yield from each(f"{path}.{kind}.name", name, check_subdomain(name))
    if not kinds:
        yield invalid(path, "", "must specify one of: `configMapRef` or `secretRef`")
    elif len(kinds) > 1:
        yield invalid(path, "", "may not have more than one field specified at a time")


def check_mounts(mounts: list[Json], volumes: dict[str, Json], path: str) -> Iterator[Cause]:
    """Each mount has a volume, and a place of its own."""
    places: set[str] = set()
    for position, mount in enumerate(mounts):
        here = f"{path}[{position}]"
        name, place = mount.get("name") or "", mount.get("mountPath") or ""
        if not name:
            yield required(f"{here}.name")
        elif name not in volumes:
            yield not_found(f"{here}.name", name)
        if not place:
            yield required(f"{here}.mountPath")
        elif place in places:
            yield invalid(f"{here}.mountPath", place, "must be unique")
        places.add(place)
        if mount.get("subPath"):
            yield from _check_sub_path(f"{path}.subPath", mount["subPath"])
        if mount.get("subPathExpr"):
            if mount.get("subPath"):
                yield invalid(
                    f"{here}.subPathExpr",
                    mount["subPathExpr"],
                    "subPathExpr and subPath are mutually exclusive",
                )
            yield from _check_sub_path(f"{path}.subPathExpr", mount["subPathExpr"])


def _check_sub_path(path: str, value: str) -> Iterator[Cause]:
    if value.startswith("/"):
        yield invalid(path, value, "must be a relative path")
    yield from check_no_backsteps(path, value)


def _check_devices(container: Json, volumes: dict[str, Json], path: str) -> Iterator[Cause]:
    for position, device in enumerate(container.get("volumeDevices") or ()):
        here = f"{path}.volumeDevices[{position}]"
        name, place = device.get("name") or "", device.get("devicePath") or ""
        if not name:
            yield required(f"{here}.name")
        elif name not in volumes:
            yield not_found(f"{here}.name", name)
        if not place:
            yield required(f"{here}.devicePath")


def _check_hooks(container: Json, path: str) -> Iterator[Cause]:
    lifecycle = container.get("lifecycle") or {}
    for hook in ("postStart", "preStop"):
        if lifecycle.get(hook) is not None:
            yield from check_handler(lifecycle[hook], f"{path}.lifecycle.{hook}")


def _check_probes(container: Json, path: str, around: Around) -> Iterator[Cause]:
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe = container.get(name)
        if probe is None:
            continue
        here = f"{path}.{name}"
        yield from check_probe(probe, here)
        if name == "readinessProbe":
            if probe.get("terminationGracePeriodSeconds") is not None:
                seconds = probe["terminationGracePeriodSeconds"]
                why = "must not be set for readinessProbes"
                yield invalid(f"{here}.terminationGracePeriodSeconds", seconds, why)
        elif probe.get("successThreshold", 1) != 1:
            yield invalid(f"{here}.successThreshold", probe["successThreshold"], "must be 1")


def check_probe(probe: Json, path: str) -> Iterator[Cause]:
    """One way to probe, and numbers that make sense."""
    yield from check_handler(probe, path)
    for field in (
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
    ):
        yield from not_negative(f"{path}.{field}", probe.get(field))
    seconds = probe.get("terminationGracePeriodSeconds")
    if seconds is not None and seconds <= 0:
        yield invalid(f"{path}.terminationGracePeriodSeconds", seconds, "must be greater than 0")


def check_handler(handler: Json, path: str) -> Iterator[Cause]:
    """Exactly one way to act, and that it is complete."""
    found = [kind for kind in HANDLERS if handler.get(kind) is not None]
    if not found:
        yield required(path, "must specify a handler type")
        return
    yield from _check_action(found[0], handler[found[0]], f"{path}.{found[0]}")
    for kind in found[1:]:
        yield forbidden(f"{path}.{kind}", "may not specify more than 1 handler type")


def _check_action(kind: str, action: Json, path: str) -> Iterator[Cause]:
    if kind == "exec":
        if not action.get("command"):
            yield required(f"{path}.command")
    elif kind == "httpGet":
        if not action.get("path"):
            yield required(f"{path}.path")
        yield from check_port_or_name(f"{path}.port", action.get("port"))
        yield from one_of(f"{path}.scheme", action.get("scheme"), ("HTTP", "HTTPS"))
    elif kind in ("tcpSocket", "grpc"):
        yield from check_port_or_name(f"{path}.port", action.get("port"))


def check_resources(resources: Json, path: str) -> Iterator[Cause]:
    """Amounts, and that nobody asks for more than the limit."""
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for name, text in limits.items():
        yield from _check_amount(name, text, f"{path}.limits[{name}]")
    for name, text in requests.items():
        yield from _check_amount(name, text, f"{path}.requests[{name}]")
        limit = limits.get(name)
        if limit is not None:
            if not _may_overcommit(name) and parse_quantity(text) != parse_quantity(limit):
                yield invalid(f"{path}.requests", text, f"must be equal to {name} limit of {limit}")
            elif parse_quantity(text) > parse_quantity(limit):
                yield invalid(
                    f"{path}.requests", text, f"must be less than or equal to {name} limit of {limit}"
                )
        elif not _may_overcommit(name):
            yield required(f"{path}.limits", "Limit must be set for non overcommitable resources")
    names = {*limits, *requests}
    if any(name.startswith("hugepages-") for name in names) and not names & {"cpu", "memory"}:
        yield forbidden(path, "HugePages require cpu or memory")


def _may_overcommit(name: str) -> bool:
    return not _is_extended(name) and not name.startswith("hugepages-")


def _is_extended(name: str) -> bool:
    return "/" in name and "kubernetes.io/" not in name


def _check_amount(name: str, text: str, path: str) -> Iterator[Cause]:
    yield from check_resource_name(path, name, STANDARD_RESOURCES)
    if "/" not in name and name not in CONTAINER_RESOURCES and not name.startswith("hugepages-"):
        yield invalid(path, name, "must be a standard resource for containers")
    yield from check_amount(path, text)
    if ("/" in name) and not is_whole(text):
        yield invalid(path, text, WHOLE)
