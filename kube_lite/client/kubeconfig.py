"""Kubeconfig files: read them, write ours, and merge ours into somebody's.

Files are replaced in one step and readable by their owner only, since they hold keys. Merging replaces the
cluster, user and context of our name and leaves everything else as it is, in content if not in layout.
"""

import base64
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from kube_lite.api.identity import Json
from kube_lite.kit.patterns import pattern

NAME = "kube-lite"
_PLAIN = pattern(r"(?!(?:null|true|false|yes|no|on|off|y|n)$)[a-z][a-zA-Z-]*")
"""What YAML takes for a text without quotes."""


class Access(NamedTuple):
    """What one context says: where the API is, whom to trust there, and who one is. Bytes are PEM."""

    server: str
    ca_pem: bytes = b""
    cert_pem: bytes = b""
    key_pem: bytes = b""
    token: str = ""
    namespace: str = ""
    verify: bool = True
    tls_server_name: str = ""


class KubeconfigError(Exception):
    """The file is not a usable kubeconfig."""


def kubeconfig(server: str, ca_pem: bytes, cert_pem: bytes, key_pem: bytes, name: str = NAME) -> Json:
    """A complete kubeconfig with one cluster, one user and one context, all of that name."""

    def text(pem: bytes) -> str:
        return base64.b64encode(pem).decode()

    cluster = {"server": server, "certificate-authority-data": text(ca_pem)}
    user = {"client-certificate-data": text(cert_pem), "client-key-data": text(key_pem)}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
        "preferences": {},
    }


def write_kubeconfig(
    path: Path, server: str, ca_pem: bytes, cert_pem: bytes, key_pem: bytes, name: str = NAME
) -> None:
    """Make ``path`` a kubeconfig for that server and nothing else.

    It does not wait for the disk: the server is gone with the power, and makes another when it starts.
    """
    save(path, kubeconfig(server, ca_pem, cert_pem, key_pem, name), durable=False)


def merge(path: Path, ours: Json, *, make_current: bool = True) -> None:
    """Put the entries of ``ours`` into the kubeconfig at ``path``, which is made if it is not there.

    Raises:
        KubeconfigError: there is a file, but it is no kubeconfig; it is left as it is.
    """
    config: Json = load(path) if path.exists() else {"apiVersion": "v1", "kind": "Config", "preferences": {}}
    for section in ("clusters", "users", "contexts"):
        names = {entry["name"] for entry in ours[section]}
        kept = [entry for entry in config.get(section) or () if entry.get("name") not in names]
        config[section] = kept + ours[section]
    if make_current or not config.get("current-context"):
        config["current-context"] = ours["current-context"]
    save(path, config)


def load(path: Path) -> Json:
    """The file as a dict. Raises ``KubeconfigError`` when it cannot be read as a kubeconfig."""
    import yaml  # only those who read a kubeconfig need it

    try:
        config = yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except OSError as error:
        raise KubeconfigError(f"cannot read {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise KubeconfigError(f"{path} is not valid YAML") from error
    if config is None:
        config = {}
    if not isinstance(config, dict) or config.get("kind", "Config") != "Config":
        raise KubeconfigError(f"{path} is not a kubeconfig")
    return config


def save(path: Path, config: Json, *, durable: bool = True) -> None:
    """Replace the file in one step; mode 0600. For ``durable`` see ``kit.files.write_private``."""
    text = "\n".join([*_lines(config), ""])
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # made with mode 0600
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _lines(value: Any) -> Iterator[str]:
    """A dict or list as lines of YAML. Every start writes one, and the library takes longer to import."""
    if isinstance(value, dict):
        for key, item in value.items():
            name = _scalar(key)
            if item and isinstance(item, dict | list):
                yield f"{name}:"
                yield from (f"  {line}" for line in _lines(item))
            else:
                yield f"{name}: {_scalar(item)}"
        return
    for item in value:
        first, *rest = _lines(item) if item and isinstance(item, dict | list) else (_scalar(item),)
        yield f"- {first}"
        yield from (f"  {line}" for line in rest)


def _scalar(value: Any) -> str:
    """In JSON's way, which is one of YAML's; words as they are; what JSON does not know as its text."""
    if value is not None and not isinstance(value, str | bool | int | float | dict | list):
        value = str(value)
    if not isinstance(value, str):
        return json.dumps(value)
    if _PLAIN.fullmatch(value):
        return value
    if value.isprintable() and '"' not in value and "\\" not in value:
        return f'"{value}"'
    letters = (
        letter if letter.isprintable() and letter not in '"\\' else f"\\U{ord(letter):08x}"
        for letter in value
    )
    return f'"{"".join(letters)}"'


def access(config: Json, context: str = "", *, directory: Path | None = None) -> Access:
    """What a context of a kubeconfig (the current one by default) says.

    Args:
        directory: where the file lies; names of files in it are relative to that.

    Raises:
        KubeconfigError: the context or what it refers to is missing.
    """
    context = context or config.get("current-context", "")
    chosen = _named(config, "contexts", "context", context)
    cluster = _named(config, "clusters", "cluster", chosen.get("cluster", ""))
    user = _named(config, "users", "user", chosen["user"]) if chosen.get("user") else {}
    return Access(
        server=cluster.get("server", ""),
        ca_pem=_pem(cluster, "certificate-authority", directory),
        cert_pem=_pem(user, "client-certificate", directory),
        key_pem=_pem(user, "client-key", directory),
        token=user.get("token", ""),
        namespace=chosen.get("namespace", ""),
        verify=not cluster.get("insecure-skip-tls-verify", False),
        tls_server_name=cluster.get("tls-server-name", ""),
    )


def _named(config: Json, section: str, kind: str, name: str) -> Json:
    for entry in config.get(section) or ():
        if entry.get("name") == name:
            return entry.get(kind) or {}
    raise KubeconfigError(f'there is no {kind} "{name}" in the kubeconfig')


def _pem(entry: Json, field: str, directory: Path | None) -> bytes:
    if entry.get(field + "-data"):
        return base64.b64decode(entry[field + "-data"])
    if entry.get(field):
        file: Path = (directory or Path()) / entry[field]
        return file.read_bytes()
    return b""
