"""Rules for containers: names, images, ports, and when they start again.

Every function yields causes in the order in which ``pkg/apis/core/validation/validation.go`` finds them.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import (
    duplicate,
    each,
    forbidden,
    invalid,
    not_found,
    not_supported,
    one_of,
    required,
    too_many,
)
from kube_lite.api.identity import Json
from kube_lite.api.names import check_label

from .amounts import check_resources
from .environment import check_variables
from .handlers import check_actions
from .mounts import check_devices, check_mounts
from .security import check_container_security
from .values import check_port, check_port_name

PULL_POLICIES = ("Always", "IfNotPresent", "Never")
MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
PROTOCOLS = ("SCTP", "TCP", "UDP")
RESTART_POLICIES = ("Always", "Never", "OnFailure")
RESTART_ACTIONS = ("Restart", "RestartAllContainers")
NO_POLICY = "must specify restartPolicy when restart rules are used"
RULES_MAX, CODES_MAX = 20, 255
RESIZE_RESOURCES = ("cpu", "memory")
RESIZE_POLICIES = ("NotRequired", "RestartContainer")
INIT_FORBIDS = ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe")
EPHEMERAL_FORBIDS = (
    "ports", "resources", "resizePolicy", "restartPolicy", "restartPolicyRules", "livenessProbe",
    "readinessProbe", "startupProbe", "lifecycle",
)  # fmt: skip


class Around(NamedTuple):
    """What a container finds in its Pod."""

    volumes: dict[str, Json]
    restart_policy: str
    grace_seconds: int | None
    claims: frozenset[str]
    system: str | None
    """The operating system that the Pod names; None for none."""
    shares_users: bool
    """Its users are those of the node."""


def check_containers(containers: Sequence[Json], path: str, around: Around) -> Iterator[Cause]:
    """The ordinary containers."""
    if not containers:
        yield required(path)
        return
    names: set[str] = set()
    for position, container in enumerate(containers):
        at = f"{path}[{position}]"
        yield from check_container(container, at, around)
        name = container.get("name") or ""
        if name in names:
            yield duplicate(f"{at}.name", name)
        names.add(name)
        yield from check_actions(container, at, around.grace_seconds, around.system)
        yield from _check_restarts(container, at)
    yield from check_host_ports(containers, path)


def check_init_containers(spec: Json, path: str, around: Around) -> Iterator[Cause]:
    """Containers that run before the others, or beside them when they always restart."""
    names = {container.get("name") for container in spec.get("containers") or ()}
    for position, container in enumerate(spec["initContainers"]):
        at = f"{path}[{position}]"
        yield from check_container(container, at, around)
        if "restartPolicy" in container:
            yield from _check_restarts(container, at)
        elif container.get("restartPolicyRules"):
            yield required(f"{at}.restartPolicy", NO_POLICY)
        name = container.get("name") or ""
        if name in names:
            yield duplicate(f"{at}.name", name)
        elif name:
            names.add(name)
        yield from check_host_ports((container,), path)
        if container.get("restartPolicy") == "Always":
            yield from check_actions(container, at, around.grace_seconds, around.system)
            continue
        yield from _check_ending(container, at)


def _check_ending(container: Json, path: str) -> Iterator[Cause]:
    """What a container cannot have that the others wait for."""
    for field in INIT_FORBIDS:
        if container.get(field) is not None:
            why = "may not be set for init containers without restartPolicy=Always"
            yield forbidden(f"{path}.{field}", why)
    for place, policy in enumerate(container.get("resizePolicy") or ()):
        if policy.get("restartPolicy") == "RestartContainer":
            why = "must not be set to 'RestartContainer' for non-sidecar initContainers"
            yield invalid(f"{path}.resizePolicy[{place}].restartPolicy", policy["restartPolicy"], why)


def check_ephemeral_containers(spec: Json, path: str, around: Around) -> Iterator[Cause]:
    """Containers that look at the others."""
    names = {
        container.get("name") or ""
        for kind in ("containers", "initContainers")
        for container in spec.get(kind) or ()
    }
    targets = frozenset(names)
    for position, container in enumerate(spec["ephemeralContainers"]):
        here, name = f"{path}[{position}]", container.get("name") or ""
        yield from check_container(container, here, around)
        yield from check_image_of_pod(container, here)
        if name in names:
            yield duplicate(f"{here}.name", name)
        names.add(name)
        target = container.get("targetContainerName")
        if target and target not in targets:
            yield not_found(f"{here}.targetContainerName", target)
        why = "cannot be set for an Ephemeral Container"
        for field in EPHEMERAL_FORBIDS:
            if container.get(field):
                yield forbidden(f"{here}.{field}", why)
        for place, mount in enumerate(container.get("volumeMounts") or ()):
            for field in ("subPath", "subPathExpr"):
                if mount.get(field):
                    yield forbidden(f"{here}.volumeMounts[{place}].{field}", why)


def check_image_of_pod(container: Json, path: str) -> Iterator[Cause]:
    """A template may name an image with spaces around, a Pod may not."""
    image = container.get("image") or ""
    if image != image.strip():
        yield invalid(f"{path}.image", image, "must not have leading or trailing whitespace")


def check_container(container: Json, path: str, around: Around) -> Iterator[Cause]:
    """What all kinds of containers have in common."""
    name = container.get("name") or ""
    if not name:
        yield required(f"{path}.name")
    else:
        yield from each(f"{path}.name", name, check_label(name))
    if not container.get("image"):
        yield required(f"{path}.image")
    yield from _required_one_of(container, "terminationMessagePolicy", MESSAGE_POLICIES, path)
    if container.get("ports"):
        yield from check_ports(container["ports"], f"{path}.ports")
    if container.get("env") or container.get("envFrom"):
        yield from check_variables(container, path)
    if container.get("volumeMounts"):
        yield from check_mounts(container, around.volumes, path)
    if container.get("volumeDevices"):
        yield from check_devices(container, around.volumes, path)
    yield from _required_one_of(container, "imagePullPolicy", PULL_POLICIES, path)
    if container.get("resources"):
        yield from check_resources(container["resources"], f"{path}.resources", around.claims)
    if container.get("resizePolicy"):
        yield from _check_resize(container["resizePolicy"], f"{path}.resizePolicy", around.restart_policy)
    if container.get("securityContext"):
        security = f"{path}.securityContext"
        yield from check_container_security(container["securityContext"], security, around.shares_users)


def _required_one_of(container: Json, field: str, known: Sequence[str], path: str) -> Iterator[Cause]:
    value = container.get(field) or ""
    if not value:
        yield required(f"{path}.{field}")
    elif value not in known:
        yield not_supported(f"{path}.{field}", value, known)


def check_ports(ports: list[Json], path: str) -> Iterator[Cause]:
    """Ports of one container."""
    names: set[str] = set()
    for position, port in enumerate(ports):
        here = f"{path}[{position}]"
        name, number = port.get("name"), port.get("containerPort") or 0
        if name:
            wrong = list(check_port_name(f"{here}.name", name))
            yield from wrong
            if not wrong and name in names:
                yield duplicate(f"{here}.name", name)
            elif not wrong:
                names.add(name)
        if number == 0:
            yield required(f"{here}.containerPort")
        else:
            yield from check_port(f"{here}.containerPort", number)
        if port.get("hostPort"):
            yield from check_port(f"{here}.hostPort", port["hostPort"])
        protocol = port.get("protocol")
        if not protocol:
            yield required(f"{here}.protocol")
        else:
            yield from one_of(f"{here}.protocol", protocol, PROTOCOLS)


def check_host_ports(containers: Sequence[Json], path: str) -> Iterator[Cause]:
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


def check_ports_of_host(containers: Sequence[Json], path: str, *, is_pod: bool) -> Iterator[Cause]:
    """On the network of the host a container's port is the host's; a template may leave it out."""
    for position, container in enumerate(containers):
        for place, port in enumerate(container.get("ports") or ()):
            number = port.get("hostPort") or 0
            if (is_pod or number) and number != (port.get("containerPort") or 0):
                why = "must match `containerPort` when `hostNetwork` is true"
                yield invalid(f"{path}[{position}].ports[{place}].hostPort", number, why)


def _check_resize(policies: list[Json], path: str, restart_policy: str) -> Iterator[Cause]:
    seen: set[str] = set()
    for position, policy in enumerate(policies):
        name, restart = policy.get("resourceName") or "", policy.get("restartPolicy") or ""
        if name in seen:
            yield duplicate(f"{path}[{position}]", name)
        seen.add(name)
        for value, known in ((name, RESIZE_RESOURCES), (restart, RESIZE_POLICIES)):
            if not value:
                yield required(path)
            elif value not in known:
                yield not_supported(path, value, known)
        if restart_policy == "Never" and restart != "NotRequired":
            yield invalid(path, restart, "must be 'NotRequired' when pod `restartPolicy` is 'Never'")


def _check_restarts(container: Json, path: str) -> Iterator[Cause]:
    """When a container starts again, if it has rules of its own for that."""
    policy, rules = container.get("restartPolicy"), container.get("restartPolicyRules") or ()
    if policy is not None:
        yield from one_of(f"{path}.restartPolicy", policy, RESTART_POLICIES)
    elif rules:
        yield required(f"{path}.restartPolicy", NO_POLICY)
    if len(rules) > RULES_MAX:
        yield too_many(f"{path}.restartPolicyRules", len(rules), RULES_MAX)
    for position, rule in enumerate(rules):
        here, codes = f"{path}.restartPolicyRules[{position}]", rule.get("exitCodes")
        yield from one_of(f"{here}.action", rule.get("action") or "", RESTART_ACTIONS)
        if codes is None:
            yield required(f"{here}.exitCodes", "must be specified")
            continue
        yield from one_of(f"{here}.exitCodes.operator", codes.get("operator") or "", ("In", "NotIn"))
        if len(codes.get("values") or ()) > CODES_MAX:
            yield too_many(f"{here}.exitCodes.values", len(codes["values"]), CODES_MAX)
