"""From older formats to the present one, when a store is opened; in one transaction, whole or not at all.

1 → 2: every version got a checksum behind it, and the table of leases came, empty.
"""

from typing import TYPE_CHECKING

from . import layout

if TYPE_CHECKING:
    from .environment import Environment, Transaction


def upgrade(environment: "Environment", txn: "Transaction", found: int) -> None:
    """Bring the tables from format ``found`` to ``layout.FORMAT``."""
    if found < 2:
        for table in (environment.now, environment.past):
            cursor = txn.cursor(table)
            is_row = cursor.first()
            while is_row:
                cursor.put(cursor.key(), layout.sealed(cursor.value()), dupdata=True)
                is_row = cursor.next()
    txn.put(layout.FORMAT_ROW, layout.as_number(layout.FORMAT), db=environment.meta)
