"""Pod spec → what a driver is told: ``SandboxSpec`` and ``ContainerSpec``.

Source of the figures: ``pkg/kubelet/cm/helpers_linux.go`` (shares and quota), ``pkg/kubelet/network/dns``
(search lists), ``pkg/securitycontext`` (what a container's context takes from the pod's).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from kube_lite_runtime.types import ContainerSpec, DnsConfig, Limits, Mount, SandboxSpec, Security

from kube_lite.api.identity import Json
from kube_lite.api.quantity import parse_quantity

from .environment import expand
from .resources import Directories

QUOTA_PERIOD_US = 100_000
MIN_QUOTA_US = 1_000  # what the kernel takes at least
MIN_SHARES = 2
PROPAGATION: dict[str, Literal["rslave", "rshared"]] = {
    "HostToContainer": "rslave",
    "Bidirectional": "rshared",
}
UID_LABEL = "io.kubernetes.pod.uid"
NAME_LABEL = "io.kubernetes.pod.name"
NAMESPACE_LABEL = "io.kubernetes.pod.namespace"
CONTAINER_LABEL = "io.kubernetes.container.name"
IMAGE_LABEL = "kube-lite/image"
"""The image as the spec named it, so that a change of the spec can be seen."""


class Resolver(NamedTuple):
    """How names are looked up on this node: the cluster's servers and domain, and the host's own settings."""

    servers: Sequence[str]
    domain: str
    host: DnsConfig


def parse_resolv_conf(text: str) -> DnsConfig:
    """The host's ``/etc/resolv.conf``; of several search lists the last counts."""
    servers: list[str] = []
    searches: list[str] = []
    options: list[str] = []
    for line in text.splitlines():
        word, *rest = line.partition("#")[0].split() or [""]
        if word == "nameserver" and rest:
            servers.append(rest[0])
        elif word in ("search", "domain"):
            searches = rest
        elif word == "options":
            options += rest
    return DnsConfig(servers, searches, options)


def dns_config(pod: Json, resolver: Resolver) -> DnsConfig:
    """What stands in the pod's ``resolv.conf``."""
    spec = pod["spec"]
    policy = spec.get("dnsPolicy", "ClusterFirst")
    if spec.get("hostNetwork") and policy == "ClusterFirst":
        policy = "Default"
    if policy == "None":
        base = DnsConfig()
    elif policy == "Default" or not resolver.servers:
        base = resolver.host
    else:
        domain = resolver.domain
        own = [f"{pod['metadata']['namespace']}.svc.{domain}", f"svc.{domain}", domain]
        base = DnsConfig(resolver.servers, [*own, *resolver.host.searches], ["ndots:5"])
    return _with_wishes(base, spec.get("dnsConfig") or {})


def _with_wishes(base: DnsConfig, wishes: Json) -> DnsConfig:
    options = {option.partition(":")[0]: option for option in base.options}
    for option in wishes.get("options") or ():
        value = option.get("value")
        options[option["name"]] = f"{option['name']}:{value}" if value is not None else option["name"]
    return DnsConfig(
        list(dict.fromkeys([*base.servers, *(wishes.get("nameservers") or ())])),
        list(dict.fromkeys([*base.searches, *(wishes.get("searches") or ())])),
        list(options.values()),
    )


def sandbox_spec(pod: Json, attempt: int, *, directories: Directories, resolver: Resolver) -> SandboxSpec:
    """What the containers of a pod share."""
    metadata, spec = pod["metadata"], pod["spec"]
    uid = metadata["uid"]
    aliases = [(item["ip"], tuple(item.get("hostnames") or ())) for item in spec.get("hostAliases") or ()]
    sysctls = (spec.get("securityContext") or {}).get("sysctls") or ()
    return SandboxSpec(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=uid,
        attempt=attempt,
        hostname=hostname(pod, resolver.domain),
        labels={**(metadata.get("labels") or {}), **_labels(pod)},
        annotations=metadata.get("annotations") or {},
        log_directory=directories.pod_logs(metadata["namespace"], metadata["name"], uid),
        host_network=bool(spec.get("hostNetwork")),
        host_pid=bool(spec.get("hostPID")),
        host_ipc=bool(spec.get("hostIPC")),
        share_process_namespace=bool(spec.get("shareProcessNamespace")),
        dns=dns_config(pod, resolver),
        host_aliases=aliases,
        sysctls={item["name"]: item["value"] for item in sysctls},
    )


def hostname(pod: Json, domain: str) -> str:
    """The pod's host name: what its spec says, else its own name, cut to what the kernel takes."""
    spec = pod["spec"]
    if spec.get("hostnameOverride"):
        return str(spec["hostnameOverride"])
    name: str = (spec.get("hostname") or pod["metadata"]["name"])[:63].rstrip("-.")
    if spec.get("setHostnameAsFQDN") and spec.get("subdomain"):
        return f"{name}.{spec['subdomain']}.{pod['metadata']['namespace']}.svc.{domain}"
    return name


def _labels(pod: Json) -> dict[str, str]:
    metadata = pod["metadata"]
    return {
        UID_LABEL: metadata["uid"],
        NAME_LABEL: metadata["name"],
        NAMESPACE_LABEL: metadata["namespace"],
    }


def container_spec(
    pod: Json,
    container: Json,
    attempt: int,
    *,
    environment: Mapping[str, str],
    mounts: Sequence[Mount],
    log_path: Path,
    image: str = "",
) -> ContainerSpec:
    """One container of a pod."""
    return ContainerSpec(
        name=container["name"],
        image=image or container["image"],
        attempt=attempt,
        command=[expand(word, environment) for word in container.get("command") or ()],
        args=[expand(word, environment) for word in container.get("args") or ()],
        environment=environment,
        working_directory=container.get("workingDir") or "",
        mounts=mounts,
        limits=limits_of(container),
        security=security_of(pod, container),
        stdin=bool(container.get("stdin")),
        stdin_once=bool(container.get("stdinOnce")),
        tty=bool(container.get("tty")),
        log_path=log_path,
        labels={**_labels(pod), CONTAINER_LABEL: container["name"], IMAGE_LABEL: container["image"]},
        stop_signal=(container.get("lifecycle") or {}).get("stopSignal") or "SIGTERM",
    )


def limits_of(container: Json) -> Limits:
    """Requests and limits as the kernel counts them."""
    resources = container.get("resources") or {}
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    request = requests.get("cpu", limits.get("cpu"))
    shares = parse_quantity(request).milli_value * 1024 // 1000 if request is not None else 0
    quota = parse_quantity(limits["cpu"]).milli_value * QUOTA_PERIOD_US // 1000 if "cpu" in limits else None
    memory = parse_quantity(limits["memory"]).value if "memory" in limits else None
    return Limits(
        cpu_shares=max(MIN_SHARES, shares),
        cpu_quota_us=max(MIN_QUOTA_US, quota) if quota else None,
        memory_bytes=memory or None,
    )


def security_of(pod: Json, container: Json) -> Security:
    """The container's context, filled up from the pod's."""
    outer = pod["spec"].get("securityContext") or {}
    own = container.get("securityContext") or {}
    capabilities = own.get("capabilities") or {}
    groups = list(outer.get("supplementalGroups") or ())
    if outer.get("fsGroup") is not None:
        groups.append(outer["fsGroup"])
    return Security(
        user=own.get("runAsUser", outer.get("runAsUser")),
        group=own.get("runAsGroup", outer.get("runAsGroup")),
        supplemental_groups=groups,
        privileged=bool(own.get("privileged")),
        read_only_root=bool(own.get("readOnlyRootFilesystem")),
        no_new_privileges=own.get("allowPrivilegeEscalation") is False,
        add_capabilities=capabilities.get("add") or (),
        drop_capabilities=capabilities.get("drop") or (),
    )


def runs_as_root_against_its_will(pod: Json, container: Json, image_user: str) -> bool:
    """``runAsNonRoot`` stands against what the spec or the image says."""
    outer = pod["spec"].get("securityContext") or {}
    own = container.get("securityContext") or {}
    if not own.get("runAsNonRoot", outer.get("runAsNonRoot")):
        return False
    user = own.get("runAsUser", outer.get("runAsUser"))
    if user is None:
        user = image_user.partition(":")[0] or "0"
    return str(user) in ("0", "root")
