"""The books of a database, to be compared with those of another: every table that outlasts a session."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import sql

Connection = psycopg.Connection[Any]


@dataclass(frozen=True)
class Table:
    """What a table holds: how many rows, and a hash over all of their columns."""

    rows: int
    sha256: str


@dataclass(frozen=True)
class Books:
    """Every table, and the figures that people look at."""

    tables: Mapping[str, Table]
    billed: Decimal
    owed: Mapping[str, Decimal]  # by the code of the customer
    last_seal: str

    def __str__(self) -> str:
        rows = sum(table.rows for table in self.tables.values())
        counted = ", ".join(
            f"{self.tables[name].rows:,} {words}" for name, words in IN_WORDS.items() if name in self.tables
        )
        owed = ", ".join(f"{code} {amount}" for code, amount in self.owed.items())
        billed = f"{self.billed.normalize():f} RMB"
        return (
            f"{len(self.tables)} tables with {rows:,} rows: {counted}; billed {billed}; owed {owed}; "
            f"last seal {self.last_seal[:12]}"
        )


IN_WORDS = {
    "usage_usagerecord": "usage records",
    "invoices_hourlybill": "bills",
    "invoices_chargeline": "charge lines",
    "invoices_hourseal": "seals",
    "invoices_packagedraw": "draws on packages",
    "invoices_accountentry": "account entries",
}
# Without unlogged tables, which are in no backup, and measurements, which are added to all the time.
_TABLES = """
SELECT relname::text FROM pg_class
 WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relpersistence = 'p'
   AND relname <> 'sensenova_billing_measurement'
 ORDER BY 1
"""
_HASH = sql.SQL("""
WITH hashed AS (SELECT encode(sha256(convert_to(stored::text, 'UTF8')), 'hex') AS row FROM {} AS stored)
SELECT count(*), encode(sha256(convert_to(
           coalesce(string_agg(row, '' ORDER BY row COLLATE "C"), ''), 'UTF8')), 'hex')
  FROM hashed
""")
_BILLED = "SELECT coalesce(sum(amount), 0) FROM invoices_hourlybill"
_OWED = """
SELECT customer.code, coalesce(sum(entry.amount), 0)
  FROM accounts_customer AS customer
  LEFT JOIN invoices_accounttransaction AS booked ON booked.customer_id = customer.id
  LEFT JOIN invoices_accountentry AS entry
         ON entry.transaction_id = booked.id AND entry.account = 'receivable'
 GROUP BY customer.code ORDER BY customer.code
"""
_LAST_SEAL = "SELECT encode(sha256, 'hex') FROM invoices_hourseal ORDER BY hour_id DESC LIMIT 1"
# Number and amount of each bill, with the seal of its closing.
_BILLS = """
SELECT bill.number, bill.amount, encode(seal.sha256, 'hex')
  FROM invoices_hourlybill AS bill JOIN invoices_hourseal AS seal ON seal.hour_id = bill.sealed_in_id
"""
Bills = frozenset[tuple[str, Decimal, str]]


def read_books(connection: Connection) -> Books:
    """Read everything in one snapshot."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        tables = {
            name: Table(*_only_row(connection, _HASH.format(sql.Identifier(name))))
            for (name,) in connection.execute(_TABLES).fetchall()
        }
        seal = connection.execute(_LAST_SEAL).fetchone()
        return Books(
            tables=tables,
            billed=_only_row(connection, sql.SQL(_BILLED))[0],
            owed=dict(connection.execute(_OWED).fetchall()),
            last_seal=seal[0] if seal else "none",
        )


def read_bills(connection: Connection) -> Bills:
    """Return every bill."""
    return frozenset(connection.execute(_BILLS).fetchall())


def differences(expected: Books, found: Books) -> list[str]:
    """Return a line for each table or figure that is not the same."""
    lines = []
    for name in sorted({*expected.tables, *found.tables}):
        one, other = expected.tables.get(name), found.tables.get(name)
        if one != other:
            rows = [str(table.rows) if table else "no" for table in (one, other)]
            lines.append(f"{name}: expected {rows[0]} rows, found {rows[1]}, with other content")
    for figure in ("billed", "owed", "last_seal"):
        one, other = getattr(expected, figure), getattr(found, figure)
        if one != other:
            lines.append(f"{figure}: expected {one}, found {other}")
    return lines


def _only_row(connection: Connection, statement: sql.SQL | sql.Composed) -> tuple[Any, ...]:
    (row,) = connection.execute(statement).fetchall()
    return tuple(row)
