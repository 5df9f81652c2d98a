"""Every setting of a cluster, with its unit and default; from a YAML file, the environment, and arguments.

Later sources win: file, then ``KUBE_LITE_*`` environment variables, then arguments. A key of the file is the
setting's name in camel case (``dataDir``), a variable the same in capitals (``KUBE_LITE_DATA_DIR``).
"""

import ipaddress
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kube_lite.scheduler.profiles import Settings

PARTS = ("api", "controllers", "scheduler", "node")
RUNTIMES = ("auto", "process", "fake")
MAX_NODES = 16  # each has some ten tasks and a listener of its own, busy or not
FEATURES = {"CBORServingAndStorage": 32}
"""Feature gates that can be turned on, and the minor release that each came with; all are off there."""
RELEASES = tuple(f"1.{minor}" for minor in range(25, 38))


class ConfigError(Exception):
    """A setting that makes no sense; the message names it and says what would."""


@dataclass(frozen=True, slots=True)
class Config:
    """The settings. What is left at None is chosen when the cluster starts."""

    data_dir: Path | None = None
    """Where everything is kept; None makes a temporary directory that goes with the cluster."""
    listen: str = "127.0.0.1:6443"
    """``HOST:PORT`` of the API; port 0 picks a free one. An IPv6 host stands in brackets."""
    kubeconfig: Path | None = None
    """Where the administrator's kubeconfig is written; None: ``kubeconfig`` in the data directory."""
    kubernetes_version: str = "1.36"
    """The release whose API is served, ``1.25`` to ``1.37``."""
    git_version: str | None = None
    """What ``/version`` and nodes call the release, such as ``v1.36.2-vendor.1``; None: our name after it."""
    tls_san: tuple[str, ...] = ()
    """Further names and addresses that the API's certificate is for."""
    legacy_apis: bool = True
    """Whether the API versions of Kubernetes 1.12 to 1.22 that later releases removed are served as well."""
    runtime: str = "auto"
    """``process`` runs Pods on this host, ``fake`` only says so, ``auto`` is the best the host allows."""
    node_name: str | None = None
    """Name of the node, with several of the first; None: the host's name."""
    nodes: int = 1
    """How many nodes this host is, 1 to 16; the others are named after the first, with ``-2``, ``-3`` ..."""
    parts: tuple[str, ...] = PARTS
    """Which parts run: ``all``, or some of ``api,controllers,scheduler,node``, ``api`` among them."""
    service_cidr: str | None = None
    """Where the addresses of Services come from; None: 10.96.0.0/16, or the next that is free here."""
    pod_cidr: str | None = None
    """Where the addresses of Pods come from; None: 10.244.0.0/24, or the next that is free on this host."""
    cluster_domain: str = "cluster.local"
    """The end of every name in the cluster."""
    durable: bool = True
    """Whether a write is on the disk before it is acknowledged. Off is for tests only."""
    feature_gates: frozenset[str] = frozenset()
    """Which of ``FEATURES`` are on: ``CBORServingAndStorage=true``, as upstream's option."""
    encryption_config: Path | None = None
    """An ``EncryptionConfiguration``: what is encrypted in the store; None: Secrets, with keys made here."""
    scheduler_config: Path | None = None
    """A ``KubeSchedulerConfiguration``: profiles, weights, figures; None: the default profile."""
    log_level: str = "warning"
    """``debug``, ``info``, ``warning`` or ``error``."""

    @property
    def host(self) -> str:
        """The host part of ``listen``."""
        return split_listen(self.listen)[0]

    @property
    def port(self) -> int:
        """The port part of ``listen``."""
        return split_listen(self.listen)[1]

    def checked(self) -> "Config":
        """The same settings, once each has been looked at. Raises ``ConfigError``."""
        split_listen(self.listen)
        self._check_release()
        if self.runtime not in RUNTIMES:
            raise ConfigError(f"runtime {self.runtime!r}: one of {', '.join(RUNTIMES)}")
        if self.log_level not in ("debug", "info", "warning", "error"):
            raise ConfigError(f"log level {self.log_level!r}: one of debug, info, warning, error")
        for name in ("service_cidr", "pod_cidr"):
            try:
                ipaddress.ip_network(getattr(self, name) or "10.0.0.0/8")
            except ValueError as error:
                raise ConfigError(f"{name.replace('_', ' ')}: {error}") from error
        if self.node_name is not None and not re.fullmatch(
            r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", self.node_name
        ):
            raise ConfigError(f"node name {self.node_name!r}: lower-case letters, digits, '-' and '.' only")
        if not 1 <= self.nodes <= MAX_NODES:
            raise ConfigError(f"nodes {self.nodes}: 1 to {MAX_NODES} are possible")
        return self

    def _check_release(self) -> None:
        if self.kubernetes_version not in RELEASES:
            raise ConfigError(
                f"kubernetes version {self.kubernetes_version!r}: served are {RELEASES[0]} to {RELEASES[-1]}"
            )
        minor = int(self.kubernetes_version.split(".")[1])
        for name in self.feature_gates:
            if minor < FEATURES[name]:
                raise ConfigError(
                    f"feature gate {name}: Kubernetes {self.kubernetes_version} does not know it"
                )
        if self.git_version is not None and not re.fullmatch(
            r"v1\.\d+\.\d+([-+][0-9A-Za-z.+-]+)?", self.git_version
        ):
            raise ConfigError(f"git version {self.git_version!r}: one such as v1.36.2-vendor.1 is wanted")

    def effective_node_name(self) -> str:
        """The node's name: as set, or the host's, made fit for an object name."""
        name = self.node_name or re.sub(r"[^a-z0-9.-]+", "-", socket.gethostname().lower()).strip("-.")
        return name or "node"

    def node_names(self) -> list[str]:
        """The names of this host's nodes: ``["box", "box-2", "box-3"]``."""
        first = self.effective_node_name()
        return [first, *(f"{first}-{number}" for number in range(2, self.nodes + 1))]


def default_data_dir() -> Path:
    """``kube-lite`` under the user's state directory (XDG base directory specification)."""
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "kube-lite"


def split_listen(text: str) -> tuple[str, int]:
    """``127.0.0.1:6443`` → ``("127.0.0.1", 6443)``; brackets of an IPv6 host go. Raises ``ConfigError``."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ConfigError(f"listen {text!r}: HOST:PORT is wanted, such as 127.0.0.1:6443")
    return host.removeprefix("[").removesuffix("]") or "0.0.0.0", int(port)


def parse_parts(text: str) -> tuple[str, ...]:
    """``all`` or ``api,controllers`` → names in starting order. Raises ``ConfigError``."""
    names = {name.strip() for name in text.split(",") if name.strip()}
    if names == {"all"}:
        return PARTS
    unknown = sorted(names - set(PARTS))
    if unknown or not names:
        raise ConfigError(f"parts {text!r}: 'all' or some of {','.join(PARTS)}")
    if "api" not in names:
        raise ConfigError(f"parts {text!r}: the others need the API server; add 'api'")
    return tuple(name for name in PARTS if name in names)


def parse_feature_gates(value: object) -> frozenset[str]:
    """``A=true,B=false``, a mapping of that, or names → those that are on. Raises ``ConfigError``."""
    if isinstance(value, frozenset | list | tuple):
        wished: dict[str, object] = dict.fromkeys(map(str, value), True)
    elif isinstance(value, Mapping):
        wished = {str(name): wish for name, wish in value.items()}
    elif isinstance(value, str):
        wished = dict(part.strip().partition("=")[::2] for part in value.split(",") if part.strip())
    else:
        raise ConfigError(f"feature gates {value!r}: NAME=true,NAME=false is wanted")
    unknown = sorted(wished.keys() - FEATURES.keys())
    if unknown:
        raise ConfigError(f"feature gates {', '.join(unknown)}: known are {', '.join(FEATURES)}")
    return frozenset(name for name, wish in wished.items() if _boolean(wish))


def _path(value: object) -> Path:
    return Path(str(value)).expanduser()


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() in ("true", "yes", "on", "1"):
        return True
    if str(value).lower() in ("false", "no", "off", "0"):
        return False
    raise ConfigError(f"{value!r}: true or false is wanted")


def _number(value: object) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise ConfigError(f"{value!r}: a whole number is wanted") from None


def _parts(value: object) -> tuple[str, ...]:
    return parse_parts(",".join(map(str, value)) if isinstance(value, list | tuple) else str(value))


def _names(value: object) -> tuple[str, ...]:
    names = value if isinstance(value, list | tuple) else str(value).split(",")
    return tuple(text for name in names if (text := str(name).strip()))


CONVERT: Mapping[str, Any] = {
    "data_dir": _path,
    "kubeconfig": _path,
    "encryption_config": _path,
    "scheduler_config": _path,
    "durable": _boolean,
    "feature_gates": parse_feature_gates,
    "legacy_apis": _boolean,
    "nodes": _number,
    "parts": _parts,
    "tls_san": _names,
}
NAMES = tuple(field.name for field in fields(Config))


def camel(name: str) -> str:
    """``data_dir`` → ``dataDir``."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def from_file(path: Path) -> dict[str, Any]:
    """The settings in a YAML file. Raises ``ConfigError`` for what is no setting."""
    import yaml  # only who has a file pays for it

    try:
        document = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigError(f"configuration file {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"configuration file {path}: {error}") from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise ConfigError(f"configuration file {path}: a mapping of settings is wanted")
    keys = {camel(name): name for name in NAMES}
    unknown = sorted(str(key) for key in document if key not in keys)
    if unknown:
        raise ConfigError(
            f"configuration file {path}: unknown {', '.join(unknown)}; known are {', '.join(keys)}"
        )
    return {keys[key]: value for key, value in document.items() if value is not None}


def from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """The settings among the environment variables."""
    named = {f"KUBE_LITE_{name.upper()}": name for name in NAMES}
    return {name: environment[variable] for variable, name in named.items() if environment.get(variable)}


def configure(*sources: Mapping[str, Any]) -> Config:
    """A checked ``Config`` from mappings of settings, the later ones winning. Raises ``ConfigError``."""
    merged: dict[str, Any] = {}
    for source in sources:
        merged.update(source)
    values: dict[str, Any] = {
        name: None if value is None else CONVERT.get(name, str)(value) for name, value in merged.items()
    }
    return replace(Config(), **values).checked()


def scheduler_settings(path: Path | None) -> "Settings | None":
    """What a ``KubeSchedulerConfiguration`` says; None without one. Raises ``ConfigError``."""
    if path is None:
        return None
    import yaml  # only who has a file pays for it

    from kube_lite.scheduler.profiles import ProfileError, parse_settings

    try:
        return parse_settings(yaml.safe_load(path.read_text()))
    except OSError as error:
        raise ConfigError(f"scheduler configuration {path}: {error.strerror}") from error
    except (ProfileError, yaml.YAMLError) as error:
        raise ConfigError(f"scheduler configuration {path}: {error}") from error
