"""Envelope encryption as Kubernetes' KMS v2 does it: a key for each value, derived from a wrapped seed.

A *seed* of 32 random bytes is made when the first value is written, and again when the key service has a new
key. The key service wraps it, and the wrapped seed lies beside every value, so a value needs nothing but the
key service to be read. Each write derives a data key of its own: HKDF-Expand(SHA-256, seed, 32 random bytes).
So no key ever encrypts two values, and how many there are is no matter.

    k8s:enc:kms:v2:PROVIDER:  then a protocol buffer
        1  info (32)  nonce (12)  ciphertext  tag (16)      AES-256-GCM, the storage key is authenticated
        2  id of the key that wrapped the seed
        3  wrapped seed
        4  what else the key service wants to see again
        5  1: a seed; 0: an AES key, as older servers wrote, which is only read

Everything from field 2 on is the same for all values of a seed: it is kept, and looked up by its bytes.
Source: ``apiserver/pkg/storage/value/encrypt/envelope/kmsv2`` and KEP-3299.
"""

import hmac
import os
import threading
import time
from typing import NamedTuple

from . import aead
from .cipher import MARK
from .errors import CannotDecrypt, CannotEncrypt, KeyServiceFailed, KeyUnknown
from .keyring import KeyService, Wrapped
from .wire import as_field, as_map, as_varint, bytes_of, parse_fields, parse_map, parse_varint

_SCHEME = MARK + b"kms:v2:"
_SEED, _INFO, _NONCE = 32, 32, 12
_DATA, _KEY_ID, _WRAPPED, _NOTES, _SOURCE_TYPE = 1, 2, 3, 4, 5
_IS_SEED = 1
_FIRST_TAG = as_varint(_DATA << 3 | 2)[0]
PATIENCE_SECONDS = 10.0  # after a failure of the key service, before a read asks again: all wait for it
SEEDS = 1024  # most that are remembered unwrapped; one for each start and key, so more is hardly seen


class _Source(NamedTuple):
    """An unwrapped seed, or AES key, and what is written behind a value's data."""

    secret: bytes
    is_seed: bool
    key_id: str
    tail: bytes


class Envelope:
    """A provider over a key service. Used from several threads."""

    def __init__(self, name: str, service: KeyService) -> None:
        """``name`` has no colon."""
        self.name = name
        self.service = service
        self.prefix = b"%b%b:" % (_SCHEME, name.encode())
        self._lock = threading.Lock()  # guards what follows, and that the service is asked by one at a time
        self._writing: _Source | None = None
        self._read: dict[bytes, _Source] = {}
        self._failed_until = 0.0
        self._failure = ""

    def encrypt(self, key: bytes, value: bytes) -> bytes:
        """With a data key of its own. Raises ``CannotEncrypt`` when no seed can be had."""
        source = self._writing or self._first_seed()
        nonces = os.urandom(_INFO + _NONCE)
        data_key = _data_key(source.secret, nonces[:_INFO])
        data = nonces + aead.encrypt(data_key, nonces[_INFO:], value, key)
        return b"".join((self.prefix, b"\x0a", as_varint(len(data)), data, source.tail))

    def decrypt(self, key: bytes, stored: bytes) -> bytes:
        """Raises ``CannotDecrypt``, naming the key."""
        try:
            data, tail = _split(stored, len(self.prefix))
            source = self._read.get(tail) or self._unwrap(key, tail)
            secret = source.secret
            if source.is_seed:
                secret, data = _data_key(secret, data[:_INFO]), data[_INFO:]
            return aead.decrypt(secret, data[:_NONCE], data[_NONCE:], key)
        except ValueError as error:
            why = "the value is damaged, or was copied from elsewhere"
            raise CannotDecrypt(key, key_id_of(stored), why) from error

    def is_current(self, stored: bytes) -> bool:
        """Whether its seed was wrapped by the key that wraps today."""
        try:
            return key_id_of(stored) == (self._writing or self._first_seed()).key_id
        except CannotEncrypt:
            return True  # it cannot be written anew now

    @property
    def has_seed(self) -> bool:
        """Whether values can be encrypted at once."""
        return self._writing is not None

    def refresh(self) -> _Source:
        """Take a new seed for what is written from now on: at first, and after the key has changed.

        Raises ``CannotEncrypt``; the old seed then stays.
        """
        with self._lock:
            try:
                seed = os.urandom(_SEED)
                wrapped = self.service.wrap(seed)
            except (KeyServiceFailed, KeyUnknown) as error:
                self._remember_failure(error)
                raise CannotEncrypt(f"the key service {self.name!r} gives no key: {error}") from error
            tail = as_field(_KEY_ID, wrapped.key_id.encode()) + as_field(_WRAPPED, wrapped.ciphertext)
            tail += as_map(_NOTES, wrapped.annotations) + as_field(_SOURCE_TYPE, _IS_SEED)
            source = _Source(seed, True, wrapped.key_id, tail)
            self._keep(source)
            self._writing = source
            return source

    def has_changed(self) -> bool:
        """Whether the service's key is another than the one that writes. Raises ``KeyServiceFailed``."""
        writing = self._writing
        return writing is not None and self.service.current() != writing.key_id

    def _first_seed(self) -> _Source:
        """Only ``refresh`` asks a service that may be slow: here every other write would wait."""
        if self.service.is_remote:
            raise CannotEncrypt(
                f"the key service {self.name!r} has given no key yet"
                + (self._failure and f": {self._failure}")
            )
        return self.refresh()

    def _unwrap(self, key: bytes, tail: bytes) -> _Source:
        wrapped = _wrapped(tail)
        with self._lock:
            known = self._read.get(tail)
            if known is not None:
                return known
            try:
                self._be_patient()
                secret = self.service.unwrap(wrapped)
            except KeyUnknown as error:
                raise CannotDecrypt(key, wrapped.key_id, str(error)) from error
            except KeyServiceFailed as error:
                self._remember_failure(error)
                why = f"the key service {self.name!r} does not give it: {error}"
                raise CannotDecrypt(key, wrapped.key_id, why) from error
            if len(secret) != _SEED:
                raise CannotDecrypt(key, wrapped.key_id, f"a seed has {_SEED} bytes, not {len(secret)}")
            source = _Source(secret, _is_seed(tail), wrapped.key_id, tail)
            self._keep(source)
            return source

    def _keep(self, source: _Source) -> None:
        if len(self._read) >= SEEDS:
            self._read.pop(next(iter(self._read)))
        self._read[source.tail] = source

    def _be_patient(self) -> None:
        if time.monotonic() < self._failed_until:
            raise KeyServiceFailed(self._failure)

    def _remember_failure(self, error: Exception) -> None:
        if time.monotonic() >= self._failed_until:
            self._failed_until, self._failure = time.monotonic() + PATIENCE_SECONDS, str(error)


def key_id_of(stored: bytes) -> str:
    """The id of the key that a value of any envelope needs; ``?`` when it is damaged."""
    try:
        return _wrapped(_split(stored, stored.index(b":", len(_SCHEME)) + 1)[1]).key_id
    except ValueError:
        return "?"


def seed_of(stored: bytes) -> bytes:
    """What tells the seeds of an envelope's values apart; empty when the value is damaged."""
    try:
        return _split(stored, stored.index(b":", len(_SCHEME)) + 1)[1]
    except ValueError:
        return b""


def _data_key(seed: bytes, info: bytes) -> bytes:
    """HKDF-Expand of RFC 5869 with SHA-256 for the 32 bytes of its first block."""
    return hmac.digest(seed, info + b"\x01", "sha256")


def _split(stored: bytes, at: int) -> tuple[bytes, bytes]:
    """The first field's content and all that follows. Raises ``ValueError``."""
    if len(stored) <= at or stored[at] != _FIRST_TAG:
        raise ValueError("no encrypted object")
    length, at = parse_varint(stored, at + 1)
    if at + length >= len(stored):
        raise ValueError("an encrypted object is cut short")
    return stored[at : at + length], stored[at + length :]


def _wrapped(tail: bytes) -> Wrapped:
    fields = dict(parse_fields(tail))
    return Wrapped(bytes_of(fields, _KEY_ID).decode(), bytes_of(fields, _WRAPPED), parse_map(tail, _NOTES))


def _is_seed(tail: bytes) -> bool:
    return dict(parse_fields(tail)).get(_SOURCE_TYPE) == _IS_SEED
