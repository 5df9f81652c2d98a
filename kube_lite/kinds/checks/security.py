"""Rules for security contexts of Pods and containers."""

import re
from collections.abc import Iterator

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import (
    duplicate,
    each,
    forbidden,
    invalid,
    not_supported,
    one_of,
    required,
    too_long,
)
from kube_lite.api.identity import Json
from kube_lite.api.names import check_subdomain

from .go_struct import go_struct
from .values import check_descending_path

ID_MAX = 2**31 - 1
SYSCTL = r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
SYSCTL_MAX = 253
NETWORK_SYSCTLS = ("net.",)
IPC_SYSCTLS = ("kernel.shm", "kernel.msg", "fs.mqueue.")
PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")
PROFILE_MAX = 4095  # a path, without the zero that ends it in C
POD_ENUMS = {
    "fsGroupChangePolicy": ("Always", "OnRootMismatch"),
    "supplementalGroupsPolicy": ("Merge", "Strict"),
    "seLinuxChangePolicy": ("Recursive",),
}
SPECIFICATION_MAX_KIB = 64
DOMAIN_MAX, USER_MAX = 256, 104
_NET_BIOS = re.compile(r'[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}')
_DNS_LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_DNS = re.compile(rf"{_DNS_LABEL}(?:\.{_DNS_LABEL})*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BAD_USER = re.compile(r'["/\\:;|=,+*?<>@\[\]]')


def check_pod_security(context: Json, spec: Json, path: str) -> Iterator[Cause]:
    """The security context of a Pod."""
    for field in ("fsGroup", "runAsUser", "runAsGroup"):
        yield from check_id(f"{path}.{field}", context.get(field))
    for position, group in enumerate(context.get("supplementalGroups") or ()):
        yield from check_id(f"{path}.supplementalGroups[{position}]", group)
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        why = "ShareProcessNamespace and HostPID cannot both be enabled"
        yield invalid(f"{path}.shareProcessNamespace", True, why)
    yield from _check_sysctls(context.get("sysctls") or [], spec, f"{path}.sysctls")
    yield from _check_enum(context, "fsGroupChangePolicy", path)
    if context.get("seccompProfile") is not None:
        yield from _check_seccomp(context["seccompProfile"], f"{path}.seccompProfile")
    if context.get("windowsOptions") is not None:
        yield from _check_windows_options(context["windowsOptions"], f"{path}.windowsOptions")
    if context.get("appArmorProfile") is not None:
        yield from _check_app_armor(context["appArmorProfile"], f"{path}.appArmorProfile")
    for field in ("supplementalGroupsPolicy", "seLinuxChangePolicy"):
        yield from _check_enum(context, field, path)


def _check_enum(context: Json, field: str, path: str) -> Iterator[Cause]:
    if context.get(field) is not None:
        yield from one_of(f"{path}.{field}", context[field], POD_ENUMS[field])


def check_id(path: str, number: int | None) -> Iterator[Cause]:
    """A user or a group."""
    if number is not None and not 0 <= number <= ID_MAX:
        yield invalid(path, number, f"must be between 0 and {ID_MAX}, inclusive")


def _check_sysctls(sysctls: list[Json], spec: Json, path: str) -> Iterator[Cause]:
    names: set[str] = set()
    for position, entry in enumerate(sysctls):
        here, name = f"{path}[{position}].name", entry.get("name") or ""
        if not name:
            yield required(here)
        elif len(name) > SYSCTL_MAX or not re.fullmatch(SYSCTL, name):
            why = f"must have at most {SYSCTL_MAX} characters and match regex ^{SYSCTL}$"
            yield invalid(here, name, why)
        elif name in names:
            yield duplicate(here, name)
        dotted = name.replace("/", ".")
        if spec.get("hostNetwork") and dotted.startswith(NETWORK_SYSCTLS):
            yield invalid(here, name, "may not be specified when 'hostNetwork' is true")
        elif spec.get("hostIPC") and (dotted.startswith(IPC_SYSCTLS) or dotted == "kernel.sem"):
            yield invalid(here, name, "may not be specified when 'hostIPC' is true")
        names.add(name)


def _check_seccomp(profile: Json, path: str) -> Iterator[Cause]:
    type_, local = profile.get("type") or "", profile.get("localhostProfile")
    here = f"{path}.localhostProfile"
    if not type_:
        yield required(f"{path}.type", "type is required when seccompProfile is set")
    else:
        yield from one_of(f"{path}.type", type_, PROFILES)
    if local is None:
        if type_ == "Localhost":
            yield required(here, "must be set when seccomp type is Localhost")
    elif type_ == "Localhost":
        yield from check_descending_path(here, local)
    else:
        shown = go_struct(profile, "core.v1.SeccompProfile")
        yield invalid(here, shown, "can only be set when seccomp type is Localhost")


def _check_app_armor(profile: Json, path: str) -> Iterator[Cause]:
    type_, local = profile.get("type") or "", profile.get("localhostProfile")
    here = f"{path}.localhostProfile"
    if not type_:
        yield required(f"{path}.type", "type is required when appArmorProfile is set")
    elif type_ not in PROFILES:
        yield not_supported(f"{path}.type", type_, PROFILES)
    elif type_ != "Localhost":
        if local is not None:
            yield invalid(here, local, "can only be set when AppArmor type is Localhost")
    elif not local:
        yield required(here, "must be set when AppArmor type is Localhost")
    else:
        if local != local.strip():
            yield invalid(here, local, "must not be padded with whitespace")
        if len(local) > PROFILE_MAX:
            yield too_long(here, PROFILE_MAX)


def _check_windows_options(options: Json, path: str) -> Iterator[Cause]:
    name, specification = options.get("gmsaCredentialSpecName"), options.get("gmsaCredentialSpec")
    if name is not None:
        yield from each(f"{path}.gmsaCredentialSpecName", name, check_subdomain(name))
    here = f"{path}.gmsaCredentialSpec"
    if specification == "":
        yield invalid(here, specification, "gmsaCredentialSpec cannot be an empty string")
    elif specification is not None and len(specification) > SPECIFICATION_MAX_KIB * 1024:
        why = f"gmsaCredentialSpec size must be under {SPECIFICATION_MAX_KIB} KiB"
        yield invalid(here, specification, why)
    user = options.get("runAsUserName")
    if user is not None:
        for text in _wrong_user(user):
            yield invalid(f"{path}.runAsUserName", user, f"runAsUserName{text}")


def _wrong_user(name: str) -> list[str]:
    """What is wrong with ``DOMAIN\\user`` or ``user``."""
    if not name:
        return [" cannot be an empty string"]
    if _CONTROL.search(name):
        return [" cannot contain control characters"]
    if name.count("\\") > 1:
        return [" cannot contain more than one backslash"]
    domain, slash, user = name.rpartition("\\")
    texts = []
    if len(domain) >= DOMAIN_MAX:
        texts.append(f"'s Domain length must be under {DOMAIN_MAX} characters")
    if slash and not (_NET_BIOS.fullmatch(domain) or _DNS.fullmatch(domain)):
        texts.append("'s Domain doesn't match the NetBios nor the DNS format")
    if not user:
        texts.append("'s User cannot be empty")
    elif len(user) > USER_MAX:
        texts.append(f"'s User length must not be longer than {USER_MAX} characters")
    if user and not user.strip(". "):
        texts.append("'s User cannot contain only periods or spaces")
    if _BAD_USER.search(user):
        texts.append(r"""'s User cannot contain the following characters: "/\:;|=,+*?<>@[]""")
    return texts


def check_container_security(context: Json, path: str, shares_users: bool) -> Iterator[Cause]:
    """The security context of a container.

    Args:
        shares_users: the users of the Pod are those of the node.
    """
    yield from check_id(f"{path}.runAsUser", context.get("runAsUser"))
    yield from check_id(f"{path}.runAsGroup", context.get("runAsGroup"))
    mount = context.get("procMount")
    if mount is not None:
        yield from one_of(f"{path}.procMount", mount, ("Default", "Unmasked"))
        if mount == "Unmasked" and shares_users:
            yield invalid(f"{path}.procMount", mount, "`hostUsers` must be false to use `Unmasked`")
    if context.get("seccompProfile") is not None:
        yield from _check_seccomp(context["seccompProfile"], f"{path}.seccompProfile")
    if context.get("allowPrivilegeEscalation") is False:
        yield from _check_escalation(context, path)
    if context.get("windowsOptions") is not None:
        yield from _check_windows_options(context["windowsOptions"], f"{path}.windowsOptions")
    if context.get("appArmorProfile") is not None:
        yield from _check_app_armor(context["appArmorProfile"], f"{path}.appArmorProfile")


def _check_escalation(context: Json, path: str) -> Iterator[Cause]:
    why = "cannot set `allowPrivilegeEscalation` to false and"
    if context.get("privileged"):
        yield invalid(path, go_struct(context, "core.v1.SecurityContext"), f"{why} `privileged` to true")
    for capability in (context.get("capabilities") or {}).get("add") or ():
        if capability == "CAP_SYS_ADMIN":
            shown = go_struct(context, "core.v1.SecurityContext")
            yield invalid(path, shown, f"{why} `capabilities.Add` CAP_SYS_ADMIN")


def check_host_users(spec: Json, path: str, lists: tuple[str, ...]) -> Iterator[Cause]:
    """A Pod with users of its own has its other namespaces to itself, too."""
    why = "when `hostUsers` is false"
    if spec.get("hostNetwork"):
        yield forbidden(f"{path}.hostNetwork", why)
    for field, told in (("hostPID", "HostPID"), ("hostIPC", "HostIPC")):
        if spec.get(field):
            yield forbidden(f"{path}.{told}", why)
    for kind in lists:
        for position, container in enumerate(spec.get(kind) or ()):
            if container.get("volumeDevices"):
                yield forbidden(f"{path}.{kind}[{position}].volumeDevices", why)
