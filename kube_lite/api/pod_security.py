"""The Pod Security Standards: what Pods of the levels ``baseline`` and ``restricted`` may not ask for.

A check looks at the metadata and spec of a Pod and says what it finds, a reason and a detail, or nothing.
``restricted`` has all checks of ``baseline`` but those that stricter ones of its own take the place of.
Checks came, and grew milder, with releases; a namespace may ask for those of an earlier one.

Source: k8s.io/pod-security-admission/policy; https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from .gotext import go_quote
from .identity import Json

PRIVILEGED, BASELINE, RESTRICTED = "privileged", "baseline", "restricted"
LEVELS = (PRIVILEGED, BASELINE, RESTRICTED)
LATEST = 1000
"""Stands for the newest release: later than any."""

DEFAULT_CAPABILITIES = frozenset({
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE",
    "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
})  # fmt: skip
SYSCTLS = {
    0: ("kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start"),
    27: ("net.ipv4.ip_local_reserved_ports",),
    29: ("net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
         "net.ipv4.tcp_keepalive_probes"),
    32: ("net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"),
    37: ("net.ipv4.tcp_slow_start_after_idle", "net.ipv4.tcp_notsent_lowat"),
}  # fmt: skip
"""By minor release: the kernel settings that became harmless with it."""
SELINUX_TYPES = {0: ("", "container_t", "container_init_t", "container_kvm_t"), 31: ("container_engine_t",)}
HARMLESS_VOLUMES = frozenset({
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected",
    "secret",
})  # fmt: skip
APPARMOR_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/"
SECCOMP_POD, SECCOMP_CONTAINER = (
    "seccomp.security.alpha.kubernetes.io/pod",
    "container.seccomp.security.alpha.kubernetes.io/",
)


class Finding(NamedTuple):
    """What stands against a Pod: a few words, and what exactly."""

    reason: str
    detail: str

    def __str__(self) -> str:
        return f"{self.reason} ({self.detail})" if self.detail else self.reason


class Pod(NamedTuple):
    """What checks look at. ``minor`` is the release whose checks are asked for."""

    annotations: Json
    spec: Json
    minor: int

    @property
    def security(self) -> Json:
        """The security context of the Pod itself."""
        return self.spec.get("securityContext") or {}

    @property
    def containers(self) -> Iterator[Json]:
        """Every container, in the order in which checks name them."""
        for field in ("initContainers", "containers", "ephemeralContainers"):
            yield from self.spec.get(field) or ()

    def where(self, wrong: Callable[[Json], object]) -> list[str]:
        """The names of containers whose security context is wrong."""
        return [one["name"] for one in self.containers if wrong(one.get("securityContext") or {})]

    @property
    def is_windows(self) -> bool:
        """Whether it says that it runs on Windows."""
        return (self.spec.get("os") or {}).get("name") == "windows"

    @property
    def has_own_users(self) -> bool:
        """Whether its users are not the host's, so that some of them may be what they like."""
        return self.spec.get("hostUsers") is False


def find(level: str, minor: int, metadata: Json, spec: Json) -> list[Finding]:
    """Everything that stands against a Pod at a level.

    Args:
        minor: release ``1.<minor>`` whose checks are meant, or ``LATEST``.
    """
    if level == PRIVILEGED:
        return []
    pod = Pod(metadata.get("annotations") or {}, spec, minor)
    checks = BASELINE_CHECKS if level == BASELINE else RESTRICTED_CHECKS
    return [found for since, check in checks if minor >= since and (found := check(pod)) is not None]


def setters(names: list[str], *, pod: bool) -> str:
    """``pod and containers "a", "b"``: who sets something."""
    words = ["pod"] if pod else []
    return " and ".join([*words, *([_containers(names)] if names else [])])


def _containers(names: list[str]) -> str:
    return f"{'container' if len(names) == 1 else 'containers'} {_quoted(names)}"


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _since(pod: Pod, table: dict[int, tuple[str, ...]]) -> set[str]:
    return {entry for minor, entries in table.items() if pod.minor >= minor for entry in entries}


def _app_armor(pod: Pod) -> Finding | None:
    allowed = ("RuntimeDefault", "Localhost")

    def type_of(context: Json) -> str | None:
        profile = context.get("appArmorProfile")
        return None if profile is None else str(profile.get("type", ""))

    def is_bad(context: Json) -> bool:
        found = type_of(context)
        return found is not None and found not in allowed

    names = pod.where(is_bad)
    contexts = [pod.security, *(one.get("securityContext") or {} for one in pod.containers)]
    values = sorted({str(type_of(context)) for context in contexts if is_bad(context)})
    annotations = sorted(
        f"{name}={go_quote(value)}"
        for name, value in pod.annotations.items()
        if name.startswith(APPARMOR_ANNOTATION)
        and value not in ("", "runtime/default")
        and not value.startswith("localhost/")
    )
    who = [setters(names, pod=is_bad(pod.security))] if names or is_bad(pod.security) else []
    if annotations:
        who.append("annotation" if len(annotations) == 1 else "annotations")
    if not who:
        return None
    values += annotations
    reason = "forbidden AppArmor profile" + ("s" if len(values) > 1 else "")
    return Finding(reason, f"{' and '.join(who)} must not set AppArmor profile type to {_quoted(values)}")


def _added(context: Json) -> list[str]:
    added: list[str] = (context.get("capabilities") or {}).get("add") or []
    return added


def _added_beyond(pod: Pod, allowed: frozenset[str]) -> str:
    names = pod.where(lambda context: set(_added(context)) - allowed)
    if not names:
        return ""
    added = {name for one in pod.containers for name in _added(one.get("securityContext") or {})}
    what = _quoted(sorted(added - allowed))
    return f"{_containers(names)} must not include {what} in securityContext.capabilities.add"


def _default_capabilities(pod: Pod) -> Finding | None:
    words = _added_beyond(pod, DEFAULT_CAPABILITIES)
    return Finding("non-default capabilities", words) if words else None


def _host_namespaces(pod: Pod) -> Finding | None:
    shared = [f"{field}=true" for field in ("hostNetwork", "hostPID", "hostIPC") if pod.spec.get(field)]
    return Finding("host namespaces", ", ".join(shared)) if shared else None


def _host_paths(pod: Pod) -> Finding | None:
    names = [one["name"] for one in pod.spec.get("volumes") or () if one.get("hostPath") is not None]
    if not names:
        return None
    return Finding("hostPath volumes", f"{'volume' if len(names) == 1 else 'volumes'} {_quoted(names)}")


def _host_ports(pod: Pod) -> Finding | None:
    ports = {
        one["name"]: [str(port["hostPort"]) for port in one.get("ports") or () if port.get("hostPort")]
        for one in pod.containers
    }
    names = [name for name, used in ports.items() if used]
    if not names:
        return None
    every = sorted({port for used in ports.values() for port in used})
    verb, noun = "uses" if len(names) == 1 else "use", "hostPort" if len(every) == 1 else "hostPorts"
    return Finding("hostPort", f"{_containers(names)} {verb} {noun} {', '.join(every)}")


def _hosts_of(container: Json) -> set[str]:
    handlers = [container.get(probe) for probe in ("livenessProbe", "readinessProbe", "startupProbe")]
    handlers += [(container.get("lifecycle") or {}).get(hook) for hook in ("postStart", "preStop")]
    actions = [
        (handler or {}).get(action) or {} for handler in handlers for action in ("httpGet", "tcpSocket")
    ]
    return {action["host"] for action in actions if action.get("host")}


def _host_probes(pod: Pod) -> Finding | None:
    names = sorted({one["name"] for one in pod.containers if _hosts_of(one)})
    if not names:
        return None
    hosts = sorted({host for one in pod.containers for host in _hosts_of(one)})
    verb = "uses" if len(names) == 1 else "use"
    noun = "probe or lifecycle host" + ("s" if len(hosts) > 1 else "")
    return Finding("probe or lifecycle host", f"{_containers(names)} {verb} {noun} {_quoted(hosts)}")


def _privileged(pod: Pod) -> Finding | None:
    names = pod.where(lambda context: context.get("privileged"))
    words = f"{_containers(names)} must not set securityContext.privileged=true"
    return Finding("privileged", words) if names else None


def _proc_mount(pod: Pod) -> Finding | None:
    usual = (None, "Default")
    names = pod.where(lambda context: context.get("procMount") not in usual)
    if not names:
        return None
    found = {(one.get("securityContext") or {}).get("procMount") for one in pod.containers}
    what = _quoted(sorted(kind for kind in found if kind not in usual))
    return Finding("procMount", f"{_containers(names)} must not set securityContext.procMount to {what}")


def _baseline_proc_mount(pod: Pod) -> Finding | None:
    return None if pod.has_own_users and pod.minor >= 35 else _proc_mount(pod)


def _selinux(pod: Pod) -> Finding | None:
    allowed = _since(pod, SELINUX_TYPES)

    def is_bad(context: Json) -> bool:
        options = context.get("seLinuxOptions")
        if options is None:
            return False
        return options.get("type", "") not in allowed or bool(options.get("user") or options.get("role"))

    names = pod.where(is_bad)
    if not names and not is_bad(pod.security):
        return None
    contexts = [pod.security, *(one.get("securityContext") or {} for one in pod.containers)]
    options = [context.get("seLinuxOptions") or {} for context in contexts]
    types = sorted({one.get("type", "") for one in options} - allowed)
    words = [f"{'type' if len(types) == 1 else 'types'} {_quoted(types)}"] if types else []
    words += ["user may not be set"] if any(one.get("user") for one in options) else []
    words += ["role may not be set"] if any(one.get("role") for one in options) else []
    who = setters(names, pod=is_bad(pod.security))
    return Finding(
        "seLinuxOptions", f"{who} set forbidden securityContext.seLinuxOptions: {'; '.join(words)}"
    )


def _seccomp_type(context: Json) -> str | None:
    profile = context.get("seccompProfile")
    return None if profile is None else str(profile.get("type", ""))


def _is_bad_seccomp(context: Json) -> bool:
    return _seccomp_type(context) not in (None, "RuntimeDefault", "Localhost")


def _seccomp_annotations(pod: Pod) -> Finding | None:
    names = [SECCOMP_POD, *(f"{SECCOMP_CONTAINER}{one['name']}" for one in pod.containers)]
    harmless = ("runtime/default", "docker/default")
    wrong = sorted({
        f"{name}={go_quote(value)}"
        for name in names
        if (value := pod.annotations.get(name)) is not None
        and value not in harmless
        and not value.startswith("localhost/")
    })  # fmt: skip
    noun = "annotation" if len(wrong) == 1 else "annotations"
    return Finding("seccompProfile", f"forbidden {noun} {', '.join(wrong)}") if wrong else None


def _seccomp(pod: Pod) -> Finding | None:
    if pod.minor < 19:
        return _seccomp_annotations(pod)
    names = pod.where(_is_bad_seccomp)
    if not names and not _is_bad_seccomp(pod.security):
        return None
    contexts = [pod.security, *(one.get("securityContext") or {} for one in pod.containers)]
    values = _quoted(sorted({str(_seccomp_type(one)) for one in contexts if _is_bad_seccomp(one)}))
    who = setters(names, pod=_is_bad_seccomp(pod.security))
    return Finding("seccompProfile", f"{who} must not set securityContext.seccompProfile.type to {values}")


def _sysctls(pod: Pod) -> Finding | None:
    allowed = _since(pod, SYSCTLS)
    names = [one["name"] for one in pod.security.get("sysctls") or () if one["name"] not in allowed]
    return Finding("forbidden sysctls", ", ".join(names)) if names else None


def _host_process(pod: Pod) -> Finding | None:
    def is_bad(context: Json) -> bool:
        return bool((context.get("windowsOptions") or {}).get("hostProcess"))

    names = pod.where(is_bad)
    if not names and not is_bad(pod.security):
        return None
    who = setters(names, pod=is_bad(pod.security))
    return Finding("hostProcess", f"{who} must not set securityContext.windowsOptions.hostProcess=true")


def _privilege_escalation(pod: Pod) -> Finding | None:
    if pod.is_windows and pod.minor >= 25:
        return None
    names = pod.where(lambda context: context.get("allowPrivilegeEscalation") is not False)
    words = f"{_containers(names)} must set securityContext.allowPrivilegeEscalation=false"
    return Finding("allowPrivilegeEscalation != false", words) if names else None


def _no_capabilities(pod: Pod) -> Finding | None:
    if pod.is_windows and pod.minor >= 25:
        return None
    keeping = pod.where(lambda context: "ALL" not in ((context.get("capabilities") or {}).get("drop") or ()))
    words = [f'{_containers(keeping)} must set securityContext.capabilities.drop=["ALL"]'] if keeping else []
    added = _added_beyond(pod, frozenset({"NET_BIND_SERVICE"}))
    words += [added] if added else []
    return Finding("unrestricted capabilities", "; ".join(words)) if words else None


def _volume_types(pod: Pod) -> Finding | None:
    names, kinds = [], set()
    for volume in pod.spec.get("volumes") or ():
        found = [kind for kind, source in volume.items() if kind != "name" and source is not None]
        if not set(found) & HARMLESS_VOLUMES:
            names.append(volume["name"])
            kinds.add(found[0] if found else "unknown")
    if not names:
        return None
    who = f"{'volume' if len(names) == 1 else 'volumes'} {_quoted(names)}"
    verb = "uses" if len(names) == 1 else "use"
    noun = "restricted volume type" + ("s" if len(kinds) > 1 else "")
    return Finding("restricted volume types", f"{who} {verb} {noun} {_quoted(sorted(kinds))}")


def _non_root(pod: Pod) -> Finding | None:
    if pod.has_own_users and pod.minor >= 35:
        return None
    ours = pod.security.get("runAsNonRoot")
    against = pod.where(lambda context: context.get("runAsNonRoot") is False)
    reason = "runAsNonRoot != true"
    if against or ours is False:
        who = setters(against, pod=ours is False)
        return Finding(reason, f"{who} must not set securityContext.runAsNonRoot=false")
    silent = [] if ours else pod.where(lambda context: context.get("runAsNonRoot") is None)
    words = f"pod or {_containers(silent)} must set securityContext.runAsNonRoot=true"
    return Finding(reason, words) if silent else None


def _root_user(pod: Pod) -> Finding | None:
    if pod.has_own_users and pod.minor >= 35:
        return None
    names = pod.where(lambda context: context.get("runAsUser") == 0)
    ours = pod.security.get("runAsUser") == 0
    if not names and not ours:
        return None
    return Finding("runAsUser=0", f"{setters(names, pod=ours)} must not set runAsUser=0")


def _some_seccomp(pod: Pod) -> Finding | None:
    if pod.is_windows and pod.minor >= 25:
        return None
    found = _seccomp(pod)
    if found is not None or _seccomp_type(pod.security) is not None:
        return found
    names = pod.where(lambda context: _seccomp_type(context) is None)
    kinds = '"RuntimeDefault" or "Localhost"'
    words = f"pod or {_containers(names)} must set securityContext.seccompProfile.type to {kinds}"
    return Finding("seccompProfile", words) if names else None


Check = tuple[int, Callable[[Pod], Finding | None]]
"""The minor release a check came with, and the check."""

BASELINE_CHECKS: tuple[Check, ...] = (
    (0, _app_armor),
    (0, _default_capabilities),
    (0, _host_namespaces),
    (0, _host_paths),
    (0, _host_ports),
    (34, _host_probes),
    (0, _privileged),
    (0, _baseline_proc_mount),
    (0, _selinux),
    (0, _seccomp),
    (0, _sysctls),
    (0, _host_process),
)
"""In the order in which findings are told."""
RESTRICTED_CHECKS: tuple[Check, ...] = (
    (0, _app_armor),
    (0, lambda pod: _default_capabilities(pod) if pod.minor < 22 else None),
    (0, _host_namespaces),
    (0, _host_ports),
    (34, _host_probes),
    (0, _privileged),
    (0, lambda pod: _proc_mount(pod) if pod.minor < 35 else None),
    (0, _selinux),
    (0, lambda pod: _seccomp(pod) if pod.minor < 19 else None),
    (0, _sysctls),
    (0, _host_process),
    (8, _privilege_escalation),
    (22, _no_capabilities),
    (35, _proc_mount),
    (0, _volume_types),
    (0, _non_root),
    (23, _root_user),
    (19, _some_seccomp),
)
"""Likewise: those of baseline that nothing stricter replaces, then its own."""
