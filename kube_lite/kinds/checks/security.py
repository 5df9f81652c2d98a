"""Rules for security contexts of Pods and containers."""

import re
from collections.abc import Iterator

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import duplicate, forbidden, invalid, one_of, required
from kube_lite.api.identity import Json

from .go_struct import go_struct

ID_MAX = 2**31 - 1
SYSCTL = r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")
WINDOWS_FORBIDS = (
    "appArmorProfile", "seLinuxOptions", "seccompProfile", "fsGroup", "fsGroupChangePolicy", "sysctls",
    "runAsUser", "runAsGroup", "supplementalGroups", "supplementalGroupsPolicy",
)  # fmt: skip


def check_pod_security(context: Json, spec: Json, path: str) -> Iterator[Cause]:
    """The security context of a Pod."""
    for field in ("fsGroup", "runAsUser", "runAsGroup"):
        yield from check_id(f"{path}.{field}", context.get(field))
    for position, group in enumerate(context.get("supplementalGroups") or ()):
        yield from check_id(f"{path}.supplementalGroups[{position}]", group)
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        yield invalid(
            f"{path}.shareProcessNamespace", True, "ShareProcessNamespace and HostPID cannot both be enabled"
        )
    yield from _check_sysctls(context.get("sysctls") or [], f"{path}.sysctls")
    for field, text in (("seccompProfile", "seccomp"), ("appArmorProfile", "AppArmor")):
        if context.get(field) is not None:
            yield from check_profile(context[field], f"{path}.{field}", text)


def check_windows(context: Json, path: str) -> Iterator[Cause]:
    """What a Pod for Windows cannot have."""
    for field in WINDOWS_FORBIDS:
        if context.get(field) is not None:
            yield forbidden(f"{path}.{field}", "cannot be set for a windows pod")


def check_id(path: str, number: int | None) -> Iterator[Cause]:
    """A user or a group."""
    if number is not None and not 0 <= number <= ID_MAX:
        yield invalid(path, number, f"must be between 0 and {ID_MAX}, inclusive")


def _check_sysctls(sysctls: list[Json], path: str) -> Iterator[Cause]:
    names: set[str] = set()
    for position, entry in enumerate(sysctls):
        name = entry.get("name") or ""
        if not name:
            yield required(f"{path}[{position}].name")
        elif len(name) > 253 or not re.fullmatch(SYSCTL, name):
            why = f"must have at most 253 characters and match regex ^{SYSCTL}$"
            yield invalid(f"{path}[{position}].name", name, why)
        elif name in names:
            yield duplicate(f"{path}[{position}].name", name)
        names.add(name)


def check_profile(profile: Json, path: str, kind: str) -> Iterator[Cause]:
    """A seccomp or AppArmor profile."""
    type_, local = profile.get("type") or "", profile.get("localhostProfile")
    if not type_:
        yield required(
            f"{path}.type", "type is required when seccompProfile is set" if kind == "seccomp" else ""
        )
        return
    if type_ == "Localhost":
        if not local:
            yield required(f"{path}.localhostProfile", f"must be set when {kind} type is Localhost")
    elif local is not None and kind == "seccomp":
        yield invalid(f"{path}.localhostProfile", local, "can only be set when seccomp type is Localhost")
    yield from one_of(f"{path}.type", type_, PROFILES)


def check_container_security(context: Json, path: str) -> Iterator[Cause]:
    """The security context of a container."""
    yield from check_id(f"{path}.runAsUser", context.get("runAsUser"))
    yield from check_id(f"{path}.runAsGroup", context.get("runAsGroup"))
    if context.get("procMount") is not None:
        yield from one_of(f"{path}.procMount", context["procMount"], ("Default", "Unmasked"))
    for field, text in (("seccompProfile", "seccomp"), ("appArmorProfile", "AppArmor")):
        if context.get(field) is not None:
            yield from check_profile(context[field], f"{path}.{field}", text)
    if context.get("allowPrivilegeEscalation") is False:
        if context.get("privileged"):
            why = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            yield invalid(path, go_struct(context, "core.v1.SecurityContext"), why)
        if "SYS_ADMIN" in ((context.get("capabilities") or {}).get("add") or ()):
            why = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            yield invalid(path, go_struct(context, "core.v1.SecurityContext"), why)
