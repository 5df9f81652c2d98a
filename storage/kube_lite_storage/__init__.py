"""A store of versioned keys in one LMDB file: one global revision, watches, history until it is compacted."""

from .errors import (
    Compacted,
    CompareFailed,
    FormatUnknown,
    FutureRevision,
    KeyExists,
    KeyMissing,
    KeyTooLong,
    RevisionMismatch,
    StoreClosed,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreLocked,
    WatcherTooSlow,
)
from .mvcc import Store
from .types import Compare, Delete, Event, KeyValue, Page, Parts, Put, Range, Txn
from .watch import Watch

__all__ = [
    "Compacted",
    "Compare",
    "CompareFailed",
    "Delete",
    "Event",
    "FormatUnknown",
    "FutureRevision",
    "KeyExists",
    "KeyMissing",
    "KeyTooLong",
    "KeyValue",
    "Page",
    "Parts",
    "Put",
    "Range",
    "RevisionMismatch",
    "Store",
    "StoreClosed",
    "StoreDamaged",
    "StoreError",
    "StoreFull",
    "StoreLocked",
    "Txn",
    "Watch",
    "WatcherTooSlow",
]
