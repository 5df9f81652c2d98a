"""Values as refusals show them: the reference's own structs, every field of them, with Go's names.

What it holds in memory is not what travels: fields have no wire names there, none is left out, a few stand
in another order or place. Types, and which fields are pointers, are read from the protobuf table, which knows
them; here stands only what differs. Source: ``pkg/apis/core/types.go`` beside ``k8s.io/api/core/v1``.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache

from kube_lite.api.codecs.messages import table
from kube_lite.api.fielderrors import Shown
from kube_lite.api.gotext import go_json
from kube_lite.api.identity import Json
from kube_lite.kinds.schemas import definitions

from .go_orders import NAMES, ORDERS

_WORDS = re.compile(
    r"^(api|aws|ca|cel|cephfs|cidr|csi|dns|fc|fs|gce|gid|gmsa|grpc|http|id|ip|iqn|iscsi|json|nfs|os|qos|rbd|se|ssl"
    r"|storageos|tcp|tls|ttl|tty|uid|url)(?=[A-Z]|s?$)"
)
_SPELLED = {"cephfs": "CephFS", "storageos": "StorageOS"}
_HOST = ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "hostUsers")
_CONTAINER = (
    "name image command args workingDir ports envFrom env resources resizePolicy restartPolicy "
    "restartPolicyRules volumeMounts volumeDevices livenessProbe readinessProbe startupProbe lifecycle "
    "terminationMessagePath terminationMessagePolicy imagePullPolicy securityContext stdin stdinOnce tty"
)
_ORDER = {
    **ORDERS,
    "core.v1.Container": _CONTAINER,
    "core.v1.EphemeralContainerCommon": _CONTAINER,
    "core.v1.PodSpec": (
        "volumes initContainers containers ephemeralContainers restartPolicy terminationGracePeriodSeconds "
        "activeDeadlineSeconds dnsPolicy nodeSelector serviceAccountName automountServiceAccountToken "
        "nodeName securityContext imagePullSecrets hostname subdomain setHostnameAsFQDN affinity "
        "schedulerName tolerations hostAliases priorityClassName priority preemptionPolicy dnsConfig "
        "readinessGates runtimeClassName overhead enableServiceLinks topologySpreadConstraints os "
        "schedulingGates resourceClaims resources hostnameOverride schedulingGroup"
    ),
    "core.v1.PodSecurityContext": (
        "hostNetwork hostPID hostIPC shareProcessNamespace hostUsers seLinuxOptions windowsOptions runAsUser "
        "runAsGroup runAsNonRoot supplementalGroups supplementalGroupsPolicy fsGroup fsGroupChangePolicy "
        "sysctls seccompProfile appArmorProfile seLinuxChangePolicy"
    ),
    "core.v1.SecurityContext": (
        "capabilities privileged seLinuxOptions windowsOptions runAsUser runAsGroup runAsNonRoot "
        "readOnlyRootFilesystem allowPrivilegeEscalation procMount seccompProfile appArmorProfile"
    ),
    "core.v1.ResourceRequirements": "limits requests claims",
}
"""Messages whose fields stand in another order than that of their numbers; what is not named is not there."""
_MOVED = {
    "core.v1.PodSecurityContext": {
        "hostNetwork": "b", "hostPID": "b", "hostIPC": "b", "shareProcessNamespace": "*b", "hostUsers": "*b",
    },
}  # fmt: skip
_ZEROS: Mapping[str, object] = {"s": "", "b": False, "i": 0, "f": 0, "Q": "0", "O": 0}


def go_struct(value: Json, message: str) -> Shown:
    """A value of a message, ``resource.v1.ResourceClaimSpec``, as the reference prints it."""
    return Shown("{" + ",".join(_entries(value, message)) + "}")


def _entries(value: Json, message: str) -> Iterator[str]:
    types, renamed = _types(message) | _MOVED.get(message, {}), NAMES.get(message, {})
    if message == "core.v1.PodSpec":
        value = _as_in_memory(value)
    for name in _ORDER[message].split() if message in _ORDER else types:
        code = types[name].replace("!", "")
        if code == "@meta.v1.ObjectMeta":
            yield from _own_names(value.get(name) or {}, code[1:])
        elif code.startswith("&"):
            yield from _entries(value, code[2:])
        else:
            told = renamed.get(name) or go_name(name)
            yield f'"{told}":{_show(value.get(name), code)}'


@cache
def _types(message: str) -> dict[str, str]:
    """Field → code, of the fields that the usual release knows: the table has those of the newest."""
    known = definitions()
    name = f"io.k8s.api.{message}"
    fields = known.schema(name).properties if name in known else None
    entries = (entry.split(":", 2) for entry in table()[message].split())
    return {name: code for _, name, code in entries if not name or fields is None or name in fields}


def _as_in_memory(spec: Json) -> Json:
    """Where a Pod's namespaces are shared with the host stands in its security context."""
    context = {**(spec.get("securityContext") or {}), **{name: spec[name] for name in _HOST if name in spec}}
    containers = spec.get("containers") or None  # who leaves them out has none; defaults make it a list
    return {**spec, "securityContext": context, "containers": containers}


def _own_names(value: Json, message: str) -> Iterator[str]:
    """The fields of a type that keeps its wire names in memory; empty ones are left out."""
    for entry in table()[message].split():
        name = entry.split(":", 2)[1]
        if value.get(name):
            yield f'"{name}":{go_json(value[name])}'


def _show(value: object, code: str) -> str:
    plain = code.lstrip("*")
    if value is None:
        if code != plain or plain[0] in "[{TUyR":
            return "null"
        return "{" + ",".join(_entries({}, plain[1:])) + "}" if plain[0] == "@" else go_json(_ZEROS[plain])
    if plain.startswith("["):
        return "[" + ",".join(_show(item, plain[1:]) for item in _items(value)) + "]"
    if plain.startswith("{"):
        entries = sorted(_fields(value).items())
        return "{" + ",".join(f"{go_json(key)}:{_show(item, plain[1:])}" for key, item in entries) + "}"
    if plain.startswith("@meta."):
        return "{" + ",".join(_own_names(_fields(value), plain[1:])) + "}"
    if plain.startswith("@"):
        return "{" + ",".join(_entries(_fields(value), plain[1:])) + "}"
    return go_json(value)


def _items(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _fields(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def go_name(name: str) -> str:
    """``dnsPolicy`` → ``DNSPolicy``, ``hostPID`` → ``HostPID``."""
    word = _WORDS.match(name)
    if word is None:
        return name[0].upper() + name[1:]
    return _SPELLED.get(word[1], word[1].upper()) + name[word.end() :]
