"""Where key-encryption keys come from: a private file, an environment variable; a KMS socket is in ``kms``.

A key-encryption key never touches a value. It wraps seeds, of which ``envelope`` derives the keys of values,
and the wrapped seed names it. So a key is changed by putting a new one in front: what is there stays readable
with the old one, and rewriting values wraps new seeds. A key's id is made of the key itself, which is why a
wrong key cannot pass for a right one.

The file is JSON, 0600, and belongs outside the directory of the store, so that a copy of that one is worth
nothing. The first key wraps, all unwrap:

    {"keys": [{"id": "9f86d081884c7d65", "secret": "<base64 of 32 bytes>"}, …]}
"""

import base64
import binascii
import hashlib
import json
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from . import aead
from .errors import KeysUnusable, KeyUnknown

_SECRET, _NONCE = 32, 12
_NO_NOTES: Mapping[str, bytes] = {}


class Wrapped(NamedTuple):
    """A wrapped seed as it lies beside values. ``annotations`` are for the key service alone."""

    key_id: str
    ciphertext: bytes
    annotations: Mapping[str, bytes] = _NO_NOTES


class KeyService(Protocol):
    """Wraps seeds with a key that it alone knows. May be slow; asked by one thread at a time."""

    @property
    def is_remote(self) -> bool:
        """Whether it has a life of its own: it may be slow, or down, and change its key."""
        ...

    def current(self) -> str:
        """The id of the key that wraps now. Raises ``KeyServiceFailed``."""
        ...

    def wrap(self, seed: bytes) -> Wrapped:
        """Raises ``KeyServiceFailed``."""
        ...

    def unwrap(self, wrapped: Wrapped) -> bytes:
        """The seed. Raises ``KeyUnknown``, ``KeyServiceFailed``."""
        ...

    def close(self) -> None:
        """Let go of it; it is not asked again."""
        ...


class LocalKeys:
    """Keys in this process's memory: the first wraps, all unwrap."""

    is_remote = False

    def __init__(self, secrets: Sequence[bytes], where: str) -> None:
        """``secrets`` has one at least, of 32 bytes each; ``where`` is for error texts.

        Raises ``KeysUnusable``.
        """
        if not secrets or any(len(secret) != _SECRET for secret in secrets):
            raise KeysUnusable(f"{where}: keys of {_SECRET} bytes each are wanted, in base64")
        self.where = where
        self._secrets = {id_of(secret): secret for secret in secrets}

    @property
    def ids(self) -> Sequence[str]:
        """The ids of all keys; the first is the one that wraps."""
        return tuple(self._secrets)

    def current(self) -> str:
        """The first key's id."""
        return next(iter(self._secrets))

    def wrap(self, seed: bytes) -> Wrapped:
        """With the first key: a nonce of 12 bytes, ciphertext, tag; the id is authenticated."""
        key_id, secret = next(iter(self._secrets.items()))
        nonce = os.urandom(_NONCE)
        return Wrapped(key_id, nonce + aead.encrypt(secret, nonce, seed, key_id.encode()))

    def unwrap(self, wrapped: Wrapped) -> bytes:
        """Raises ``KeyUnknown``."""
        key_id, hidden, _ = wrapped
        secret = self._secrets.get(key_id)
        if secret is None:
            raise KeyUnknown(f"it is not in {self.where}, which has {', '.join(self._secrets)}")
        return aead.decrypt(secret, hidden[:_NONCE], hidden[_NONCE:], key_id.encode())

    def close(self) -> None:
        """There is nothing to let go of."""


class FileKeys(LocalKeys):
    """Keys in a file that only its owner may read."""

    def __init__(self, path: Path) -> None:
        """Read the file. Raises ``KeysUnusable`` when it is not there, not private, or not such a file."""
        self.path = path
        super().__init__(_read(path), str(path))

    @classmethod
    def create(cls, path: Path) -> "FileKeys":
        """Make the file, with a new key; its directory too, with mode 0700. It must not be there yet."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(path, [os.urandom(_SECRET)])
        return cls(path)

    def rotate(self) -> str:
        """Put a new key in front, on disk first; its id."""
        secrets = [os.urandom(_SECRET), *self._secrets.values()]
        _write(self.path, secrets)
        self._secrets = {id_of(secret): secret for secret in secrets}
        return self.current()


class EnvironmentKeys(LocalKeys):
    """Keys in an environment variable: base64, parted by commas."""

    def __init__(self, name: str, environment: Mapping[str, str] = os.environ) -> None:
        """Raises ``KeysUnusable``."""
        where = f"the environment variable {name}"
        text = environment.get(name, "").strip()
        if not text:
            raise KeysUnusable(f"{where} is not set; it should hold a key: base64 of {_SECRET} random bytes")
        super().__init__([_decoded(part, where) for part in text.split(",")], where)


def id_of(secret: bytes) -> str:
    """What a key is called: half of a SHA-256 of it, which does not help anybody to find it."""
    return hashlib.sha256(b"kube-lite key id\0" + secret).hexdigest()[:16]


def _decoded(text: object, where: str) -> bytes:
    try:
        return base64.b64decode(str(text).strip(), validate=True)
    except binascii.Error:
        raise KeysUnusable(f"{where}: a key is not base64") from None  # whose message might show some of it


def _read(path: Path) -> list[bytes]:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read()
    except OSError as error:
        raise KeysUnusable(f"{path}: {error.strerror}") from error
    if stat.S_IMODE(mode) & 0o077:
        raise KeysUnusable(f"{path} may be read by others; make it private: chmod 600 {path}")
    try:
        entries = json.loads(content)["keys"]
        return [_decoded(entry["secret"], str(path)) for entry in entries]
    except (ValueError, KeyError, TypeError):
        raise KeysUnusable(f"{path} is not a file of keys") from None  # whose message would show some of it


def _write(path: Path, secrets: Sequence[bytes]) -> None:
    """In one step, and on the disk when it returns: what is encrypted next must not outlive its key."""
    keys = [{"id": id_of(secret), "secret": base64.b64encode(secret).decode()} for secret in secrets]
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(json.dumps({"keys": keys}, indent=1).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
