"""The checker's part for online payments: how each ended, by the call-backs that were sent.

It shares no code with the product. What call-backs book is checked with all other bookings.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

# What was called back, the strongest first, and the state that it ends in.
STATES = {"paid": "paid", "other": "mismatch", "failed": "failed", "expired": "expired"}
# Of which nothing came: the clock may have looked it up.
SILENT = {"waiting", "expired"}


def wrong_payments(*, payments: Sequence[Any], journal: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield payments without an order, otherwise than ordered, not there, or in the wrong state."""
    requested = {entry["ordering"]: entry for entry in journal if "ordering" in entry}
    answered = {entry["ordered"] for entry in journal if "ordered" in entry}
    found = Counter(row.order_id for row in payments)
    for key in sorted(found.keys() | answered):
        if key not in requested or found[key] != 1:
            yield f"{key}: {found[key]} payments, {'' if key in requested else 'not '}ordered"
    calling, called = _by_order(journal, "calling"), _by_order(journal, "called")
    for row in payments:
        order = requested.get(row.order_id)
        if order and (row.customer, Fraction(row.amount)) != (order["customer"], Fraction(order["amount"])):
            yield f"{row.order_id}: {row.customer} {row.amount}, {order} ordered"
        if calling[row.order_id] == called[row.order_id]:  # else it is not known what has come
            yield from _wrong_end(row, called[row.order_id])


def _wrong_end(row: Any, called: set[str]) -> Iterator[str]:
    states = next(({state} for name, state in STATES.items() if name in called), SILENT)
    refunded = Fraction(row.amount) if "refunded" in called else 0
    if row.state not in states or Fraction(row.refunded) != refunded or row.callbacks != len(called):
        yield (
            f"{row.order_id}: {row.state}, {row.refunded} refunded, {row.callbacks} call-backs "
            f"after {', '.join(sorted(called)) or 'none'}"
        )


def _by_order(journal: Sequence[dict[str, Any]], word: str) -> defaultdict[str, set[str]]:
    ends: defaultdict[str, set[str]] = defaultdict(set)
    for entry in journal:
        if word in entry:
            ends[entry[word]].add(entry["ends"])
    return ends
