"""From older formats to the present one, when a store is opened; in one transaction, whole or not at all.

1 → 2: every row got a checksum behind it, and the table of leases came, empty.
2 → 3: the row ``journal`` came to ``meta``, which ``journal.make_room`` sees to where the store is durable.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import layout

if TYPE_CHECKING:
    from .environment import Environment, Transaction


def upgrade(environment: "Environment", txn: "Transaction", found: int) -> None:
    """Bring the tables from format ``found`` to ``layout.FORMAT``."""
    if found < 2:
        _seal(txn, environment.now, lambda row: row)
        _seal(txn, environment.past, lambda row: layout.parse_past_row(row)[0])
        _seal(txn, environment.log, lambda row: row)
        for name in (layout.REVISION_ROW, layout.COMPACTED_ROW, layout.FORGOTTEN_ROW):
            number = layout.parse_number(txn.get(name, db=environment.meta))
            environment.put_number(txn, name, number)
    environment.put_number(txn, layout.FORMAT_ROW, layout.FORMAT)


def _seal(txn: "Transaction", table: Any, key_of: Callable[[bytes], bytes]) -> None:
    cursor = txn.cursor(table)
    is_row = cursor.first()
    while is_row:
        row = cursor.key()
        cursor.put(row, layout.sealed(key_of(row), cursor.value()))
        is_row = cursor.next()
