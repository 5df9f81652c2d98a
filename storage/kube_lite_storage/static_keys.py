"""Schemes whose key stands in a configuration: AES-GCM, AES-CBC and secretbox, byte for byte as upstream's.

    k8s:enc:aesgcm:v1:NAME:     nonce (12)  ciphertext  tag (16)        the storage key is authenticated
    k8s:enc:aescbc:v1:NAME:     IV (16)     ciphertext, padded (PKCS 7) nothing is authenticated
    k8s:enc:secretbox:v1:NAME:  nonce (24)  tag (16)  ciphertext        the value alone is authenticated

AES-CBC with a wrong key of the right name gives garbage that now and then looks well padded; ``is_plausible``
is asked what a value looks like, so that it is told apart. Source: ``apiserver/pkg/storage/value/encrypt``.
"""

import os
from collections.abc import Callable
from typing import Any

from . import aead
from .cipher import MARK, key_name
from .errors import CannotDecrypt, KeysUnusable

_GCM_NONCE, _CBC_BLOCK, _BOX_NONCE = 12, 16, 24
_DAMAGED = "the key of this name is another one, or the value is damaged"


def _prefix(scheme: str, name: str) -> bytes:
    return b"%b%b:v1:%b:" % (MARK, scheme.encode(), name.encode())


class AesGcm:
    """AES-GCM with a random nonce. A key is good for some 2³² values, then it should be changed."""

    def __init__(self, name: str, secret: bytes) -> None:
        """``secret`` has 16, 24 or 32 bytes."""
        self.prefix = _prefix("aesgcm", name)
        self._secret = secret

    def encrypt(self, key: bytes, value: bytes) -> bytes:
        """With prefix and nonce in front."""
        nonce = os.urandom(_GCM_NONCE)
        return self.prefix + nonce + aead.encrypt(self._secret, nonce, value, key)

    def decrypt(self, key: bytes, stored: bytes) -> bytes:
        """Raises ``CannotDecrypt``."""
        at = len(self.prefix) + _GCM_NONCE
        try:
            return aead.decrypt(self._secret, stored[at - _GCM_NONCE : at], stored[at:], key)
        except aead.Damaged as error:
            raise CannotDecrypt(key, key_name(stored), _DAMAGED) from error

    def is_current(self, stored: bytes) -> bool:
        """There is but one key under the prefix."""
        return True


class AesCbc:
    """AES-CBC, which upstream advises against: it hides values, but does not notice changes."""

    def __init__(self, name: str, secret: bytes, is_plausible: Callable[[bytes], bool]) -> None:
        """``secret`` has 16, 24 or 32 bytes; ``is_plausible`` says whether something may be a value."""
        self.prefix = _prefix("aescbc", name)
        self._secret = secret
        self._is_plausible = is_plausible

    def encrypt(self, key: bytes, value: bytes) -> bytes:
        """With prefix and IV in front."""
        start = os.urandom(_CBC_BLOCK)
        room = _CBC_BLOCK - len(value) % _CBC_BLOCK
        encryptor = self._cipher(start).encryptor()
        hidden = encryptor.update(value + bytes([room]) * room) + encryptor.finalize()
        return self.prefix + start + bytes(hidden)

    def decrypt(self, key: bytes, stored: bytes) -> bytes:
        """Raises ``CannotDecrypt``."""
        at = len(self.prefix) + _CBC_BLOCK
        hidden = stored[at:]
        if not hidden or len(hidden) % _CBC_BLOCK:
            raise CannotDecrypt(key, key_name(stored), "the value is damaged")
        decryptor = self._cipher(stored[at - _CBC_BLOCK : at]).decryptor()
        padded = decryptor.update(hidden) + decryptor.finalize()
        room = padded[-1]
        value = bytes(padded[:-room]) if room else b""
        if (
            not 0 < room <= _CBC_BLOCK
            or padded[-room:] != bytes([room]) * room
            or not self._is_plausible(value)
        ):
            raise CannotDecrypt(key, key_name(stored), _DAMAGED)
        return value

    def is_current(self, stored: bytes) -> bool:
        """There is but one key under the prefix."""
        return True

    def _cipher(self, start: bytes) -> Any:
        from cryptography.hazmat.primitives.ciphers import Cipher
        from cryptography.hazmat.primitives.ciphers.algorithms import AES
        from cryptography.hazmat.primitives.ciphers.modes import CBC

        return Cipher(AES(self._secret), CBC(start))


class SecretBox:
    """XSalsa20 and Poly1305 as NaCl's secretbox; needs PyNaCl, for nothing else here has XSalsa20."""

    def __init__(self, name: str, secret: bytes) -> None:
        """``secret`` has 32 bytes. Raises ``KeysUnusable`` without PyNaCl."""
        try:
            from nacl.secret import SecretBox as Box
        except ImportError as error:
            raise KeysUnusable("secretbox needs PyNaCl: pip install 'kube-lite[secretbox]'") from error
        self.prefix = _prefix("secretbox", name)
        self._box = Box(secret)

    def encrypt(self, key: bytes, value: bytes) -> bytes:
        """With prefix and nonce in front."""
        return self.prefix + bytes(self._box.encrypt(value, os.urandom(_BOX_NONCE)))

    def decrypt(self, key: bytes, stored: bytes) -> bytes:
        """Raises ``CannotDecrypt``."""
        from nacl.exceptions import CryptoError

        try:
            return bytes(self._box.decrypt(stored[len(self.prefix) :]))
        except (CryptoError, ValueError, TypeError) as error:
            raise CannotDecrypt(key, key_name(stored), _DAMAGED) from error

    def is_current(self, stored: bytes) -> bool:
        """There is but one key under the prefix."""
        return True
