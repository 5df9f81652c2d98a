"""The seam between the store and encryption: what encrypts a value, and which of several keys that is.

An encrypted value begins with ``k8s:enc:``, the name of its scheme and, as a rule, of its key; it is what
Kubernetes would have written into etcd, so whatever reads one reads the other. What does not begin so is
plain. The key under which a value is stored is authenticated with it: copied to another key it is unreadable.

A ``Provider`` is one scheme with one key. ``FirstWrites`` is a row of them: the first writes, all read, which
is what rotation needs. Neither is called for plain values, except to write them.
"""

from collections.abc import Sequence
from typing import Protocol

from .errors import CannotDecrypt, CannotEncrypt

MARK = b"k8s:enc:"
"""What every encrypted value begins with, and no plain one may."""


class Cipher(Protocol):
    """What a store asks. Called from the loop's thread and from the writer's."""

    def encrypt(self, key: bytes, value: bytes) -> bytes:
        """What is to be stored under ``key``; the value itself where nothing is encrypted.

        Raises ``CannotEncrypt``.
        """
        ...

    def decrypt(self, key: bytes, stored: bytes) -> bytes:
        """The value again; ``stored`` begins with ``MARK``. Raises ``CannotDecrypt``."""
        ...

    def is_current(self, key: bytes, stored: bytes) -> bool:
        """Whether ``encrypt`` would use the same scheme and key today."""
        ...


class Provider(Protocol):
    """One scheme with one key, or with keys that it tells apart itself."""

    @property
    def prefix(self) -> bytes:
        """What its values begin with, ``k8s:enc:aesgcm:v1:key1:``; empty for plain ones."""
        ...

    def encrypt(self, key: bytes, value: bytes) -> bytes:
        """With the prefix. Raises ``CannotEncrypt``."""
        ...

    def decrypt(self, key: bytes, stored: bytes) -> bytes:
        """A value with the prefix. Raises ``CannotDecrypt``."""
        ...

    def is_current(self, stored: bytes) -> bool:
        """Whether a value with the prefix has the key that it would get today."""
        ...


class Identity:
    """No encryption."""

    prefix = b""

    def encrypt(self, key: bytes, value: bytes) -> bytes:
        """The value. One that looks encrypted is refused, for it could not be read again."""
        if value.startswith(MARK):
            raise CannotEncrypt(
                f"the value for {key!r} begins with {MARK.decode()!r}, as only encrypted ones may"
            )
        return value

    def decrypt(self, key: bytes, stored: bytes) -> bytes:
        """Refuse: what is encrypted is not ours."""
        raise CannotDecrypt(key, key_name(stored), "no provider for it is configured")

    def is_current(self, stored: bytes) -> bool:
        """Only what is plain."""
        return not stored.startswith(MARK)


class FirstWrites:
    """Providers in order: the first encrypts, each decrypts what has its prefix."""

    def __init__(self, providers: Sequence[Provider]) -> None:
        """``providers`` has one at least."""
        self.providers = tuple(providers)
        self.encrypt = self.providers[0].encrypt

    def decrypt(self, key: bytes, stored: bytes) -> bytes:
        """Ask each whose prefix fits, for several keys may have one name. Raises ``CannotDecrypt``."""
        failure: CannotDecrypt | None = None
        for provider in self.providers:
            if provider.prefix and stored.startswith(provider.prefix):
                try:
                    return provider.decrypt(key, stored)
                except CannotDecrypt as error:
                    failure = error
        raise failure or CannotDecrypt(key, key_name(stored), "no provider for it is configured")

    def is_current(self, key: bytes, stored: bytes) -> bool:
        """Whether the first provider wrote it, with the key it uses today."""
        first = self.providers[0]
        if not first.prefix or not stored.startswith(first.prefix):
            return not first.prefix and not stored.startswith(MARK)
        return first.is_current(stored)


def scheme_of(stored: bytes) -> str:
    """``k8s:enc:aesgcm:v1:key1:…`` → ``aesgcm:v1:key1``; ``identity`` for a plain value. Never a secret."""
    if not stored.startswith(MARK):
        return "identity"
    return b":".join(stored[len(MARK) : 400].split(b":", 3)[:3]).decode(errors="replace")


def key_name(stored: bytes) -> str:
    """The name of the key, as far as the prefix tells it."""
    return scheme_of(stored).rpartition(":")[2]
