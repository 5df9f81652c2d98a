"""AES-GCM, from a library that is loaded when the first value needs it: many starts do without."""

from functools import cache
from typing import NamedTuple


class Damaged(ValueError):
    """What should be decrypted was not encrypted with this key, or was changed since."""


class _Library(NamedTuple):
    aesgcm: type
    invalid_tag: type[Exception]


@cache
def _library() -> _Library:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return _Library(AESGCM, InvalidTag)


def encrypt(secret: bytes, nonce: bytes, content: bytes, beside: bytes) -> bytes:
    """Ciphertext and tag; ``beside`` is authenticated with it, but not kept."""
    hidden: bytes = _library().aesgcm(secret).encrypt(nonce, content, beside)
    return hidden


def decrypt(secret: bytes, nonce: bytes, hidden: bytes, beside: bytes) -> bytes:
    """The content again. Raises ``Damaged``."""
    library = _library()
    try:
        content: bytes = library.aesgcm(secret).decrypt(nonce, hidden, beside)
    except (library.invalid_tag, ValueError) as error:
        raise Damaged("the key is another one, or the content was changed") from error
    return content
