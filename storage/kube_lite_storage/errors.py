"""What can go wrong in the store, grouped by the moment it can occur. Each class is one situation."""


class StoreError(Exception):
    """Any failure that the store itself tells of."""


# Opening


class StoreLocked(StoreError):
    """Another process has this data directory open for writing."""


class StoreMissing(StoreError):
    """There is no store in the directory, and whoever only looks makes none."""


class StoreNotWritable(StoreError):
    """The directory, or the file system it lies on, may not be written to."""


class StoreDamaged(StoreError):
    """The data file is not a store, or breaks its own rules; the message says which."""


class SnapshotDamaged(StoreError):
    """The file is not a snapshot of a store, or not any more what was written."""


class FormatUnknown(StoreError):
    """The data was written by a newer program; its format number is not understood."""


# Reading


class Compacted(StoreError):
    """The revision asked for has been forgotten; ``compacted`` is the oldest that can still be read."""

    def __init__(self, revision: int, compacted: int) -> None:
        super().__init__(f"revision {revision} is compacted; the oldest kept is {compacted}")
        self.revision = revision
        self.compacted = compacted


class FutureRevision(StoreError):
    """The revision asked for has not happened yet."""

    def __init__(self, revision: int, current: int) -> None:
        super().__init__(f"revision {revision} has not happened yet; the newest is {current}")
        self.revision = revision
        self.current = current


# Writing


class CompareFailed(StoreError):
    """A transaction's condition does not hold, so nothing was written.

    ``found`` is the key's revision, 0 if absent.
    """

    def __init__(self, key: bytes, expected: int, found: int) -> None:
        super().__init__(f"{key!r}: expected revision {expected}, found {found}")
        self.key = key
        self.expected = expected
        self.found = found


class KeyExists(CompareFailed):
    """A key that should be new is already there."""


class KeyMissing(CompareFailed):
    """A key that should be there is not."""


class RevisionMismatch(CompareFailed):
    """A key is there, at another revision than expected."""


class KeyTooLong(StoreError):
    """A key is empty, or longer than the tables can hold."""

    def __init__(self, key: bytes) -> None:
        super().__init__(f"a key of {len(key)} bytes cannot be stored: {key[:64]!r}")
        self.key = key


class StoreFull(StoreError):
    """The disk or the configured limit is full. Reads and deletes still work."""


# Any time


class StoreClosed(StoreError):
    """The store was closed, or its writer has failed; the cause is attached."""


class WatcherTooSlow(StoreError):
    """A watcher did not keep up and was cut off; ``revision`` is the last one it was given whole."""

    def __init__(self, revision: int) -> None:
        super().__init__(f"the watcher fell behind after revision {revision}")
        self.revision = revision


# Encryption


class CannotEncrypt(StoreError):
    """A value is to be encrypted and that is not possible now; nothing was written."""


class CannotDecrypt(StoreError):
    """A stored value cannot be read with the keys at hand; ``key_id`` is the one that it needs.

    Values under other keys stay readable.
    """

    def __init__(self, key: bytes, key_id: str, why: str) -> None:
        super().__init__(f"the value of {key.decode(errors='replace')} needs the key {key_id!r}: {why}")
        self.key = key
        self.key_id = key_id


class KeysUnusable(StoreError):
    """Where keys should come from there are none, or none that may be used; the message says what to do."""


class KeyServiceFailed(StoreError):
    """A key service did not answer, or refused."""


class KeyUnknown(StoreError):
    """A key service does not have the key that a seed was wrapped with."""
