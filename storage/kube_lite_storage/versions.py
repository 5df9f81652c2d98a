"""Versions on their way into the tables and out of them: where values are encrypted and decrypted.

A value is encrypted when its row is made, after its revision was inserted, so the tables, and whatever is
copied from them, never hold it plain. Reads decrypt, once for each version: what was decrypted is remembered,
up to ``KEPT_BYTES``. Headers are not encrypted: lists and watches choose by them without looking at values.

Only what has been committed is remembered, under key and revision, which then never mean anything else. So
reads, which the loop's thread does, fill the memory, and writing only looks into it: a group that is being
written may still be undone.
"""

from . import layout
from .cipher import MARK, Cipher
from .types import KeyValue

KEPT_BYTES = 4 << 20


class Versions:
    """How one store's versions lie in its rows. Without a cipher nothing is changed either way."""

    def __init__(self, cipher: Cipher | None) -> None:
        self.cipher = cipher
        """May be replaced at any time; what the old one wrote must be readable by the new one."""
        self._values: dict[tuple[bytes, int], bytes] = {}
        self._kept_bytes = 0

    def as_row(self, item: KeyValue) -> bytes:
        """The row for a version. Raises ``CannotEncrypt``."""
        key, value, header, created, revision = item
        if self.cipher is not None:
            value = self.cipher.encrypt(key, value)
        return layout.as_version(key, created, revision, header, value)

    def opened(self, item: KeyValue) -> KeyValue:
        """A version as it was read, with its value as it was written. Raises ``CannotDecrypt``."""
        if self.cipher is None or not item[1].startswith(MARK):
            return item
        key, stored, header, created, revision = item
        value = self._values.get((key, revision))
        if value is None:
            value = self.cipher.decrypt(key, stored)
            self._remember((key, revision), value)
        return tuple.__new__(KeyValue, (key, value, header, created, revision))  # as in ``layout``

    def all_opened(self, items: list[KeyValue]) -> list[KeyValue]:
        """As ``opened``, for many; plain ones cost a look at their first bytes."""
        if self.cipher is None:
            return items
        return [self.opened(item) if item[1].startswith(MARK) else item for item in items]

    def glimpsed(self, key: bytes, raw: bytes) -> KeyValue:
        """A row as a version, while writing; nothing is remembered. Raises ``CannotDecrypt``."""
        item = layout.parse_version(key, raw)
        if self.cipher is None or not item.value.startswith(MARK):
            return item
        value = self._values.get((key, item.revision))
        return item._replace(value=self.cipher.decrypt(key, item.value) if value is None else value)

    def renewed(self, key: bytes, raw: bytes) -> bytes | None:
        """A row with its value encrypted as it would be today; None when it is so already.

        Raises ``CannotDecrypt``, ``CannotEncrypt``.
        """
        item = layout.parse_version(key, raw)
        if self.cipher is None or self.cipher.is_current(key, item.value):
            return None
        return self.as_row(self.glimpsed(key, raw))

    def _remember(self, place: tuple[bytes, int], value: bytes) -> None:
        self._values[place] = value
        self._kept_bytes += len(value)
        while self._kept_bytes > KEPT_BYTES:
            self._kept_bytes -= len(self._values.pop(next(iter(self._values))))
