"""Rules for Pods that say for which operating system they are."""

from collections.abc import Iterator

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import forbidden, invalid, not_supported, required
from kube_lite.api.identity import Json

SYSTEMS = ("linux", "windows")
LISTS = ("initContainers", "containers", "ephemeralContainers")
"""In the order in which the reference visits them."""
POD_FORBIDS = (
    ("securityContext", "appArmorProfile"), ("securityContext", "seLinuxOptions"), ("", "hostUsers"),
    ("", "hostPID"), ("", "hostIPC"), ("securityContext", "seccompProfile"), ("securityContext", "fsGroup"),
    ("securityContext", "fsGroupChangePolicy"), ("securityContext", "sysctls"), ("", "shareProcessNamespace"),
    ("securityContext", "runAsUser"), ("securityContext", "runAsGroup"),
    ("securityContext", "supplementalGroups"), ("securityContext", "supplementalGroupsPolicy"),
    ("securityContext", "seLinuxChangePolicy"),
)  # fmt: skip
"""Where a field is that a Pod for Windows cannot have, and its name."""
CONTAINER_FORBIDS = (
    "appArmorProfile", "seLinuxOptions", "seccompProfile", "capabilities", "readOnlyRootFilesystem",
    "privileged", "allowPrivilegeEscalation", "procMount", "runAsUser", "runAsGroup",
)  # fmt: skip
NOT_NULL = frozenset(["hostUsers", "shareProcessNamespace", "fsGroup", "runAsUser", "runAsGroup"])


def check_system(spec: Json, path: str) -> Iterator[Cause]:
    """What goes with the operating system."""
    name = spec["os"].get("name") or ""
    if not name:
        yield required(f"{path}.os.name")
    elif name not in SYSTEMS:
        yield not_supported(f"{path}.os", name, SYSTEMS)
    elif name == "linux":
        yield from _check_linux(spec, path)
    else:
        yield from _check_windows(spec, path)


def _contexts(spec: Json, path: str) -> Iterator[tuple[Json, str]]:
    """The security contexts of the containers, each with where it is; empty where a container has none."""
    for kind in LISTS:
        for position, container in enumerate(spec.get(kind) or ()):
            yield container.get("securityContext") or {}, f"{path}.{kind}[{position}].securityContext"


def _check_linux(spec: Json, path: str) -> Iterator[Cause]:
    own = (spec.get("securityContext") or {}, f"{path}.securityContext")
    for context, here in (own, *_contexts(spec, path)):
        if context.get("windowsOptions") is not None:
            yield forbidden(f"{here}.windowsOptions", "windows options cannot be set for a linux pod")


def _check_windows(spec: Json, path: str) -> Iterator[Cause]:
    for place, field in POD_FORBIDS:
        value = (spec.get(place) or {}).get(field) if place else spec.get(field)
        if value or (value is not None and field in NOT_NULL):
            here = f"{path}.{place}.{field}" if place else f"{path}.{field}"
            yield forbidden(here, "cannot be set for a windows pod")
    for context, here in _contexts(spec, path):
        for field in CONTAINER_FORBIDS:
            if context.get(field) is not None:
                yield forbidden(f"{here}.{field}", "cannot be set for a windows pod")


def check_host_process(spec: Json, path: str) -> Iterator[Cause]:
    """Processes of the host in a Pod: all containers are, or none."""
    of_pod = ((spec.get("securityContext") or {}).get("windowsOptions") or {}).get("hostProcess")
    count = processes = 0
    for context, here in _contexts(spec, path):
        count += 1
        own = (context.get("windowsOptions") or {}).get("hostProcess")
        if of_pod is not None and own is not None and of_pod != own:
            told = "true" if of_pod else "false"
            why = f"pod hostProcess value must be identical if both are specified, was {told}"
            yield invalid(f"{here}.windowsOptions.hostProcess", own, why)
        processes += bool(of_pod if own is None else own)
    if not processes:
        return
    if processes != count:
        why = "If pod contains any hostProcess containers then all containers must be HostProcess containers"
        yield invalid(path, "", why)
    if not spec.get("hostNetwork"):
        why = "hostNetwork must be true if pod contains any hostProcess containers"
        yield invalid(f"{path}.hostNetwork", False, why)
