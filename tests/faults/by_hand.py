"""The checker's part for credits and charges by hand: proposals and decisions against the journal.

It shares no code with the product.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

from tests.faults.people import APPROVED_ALONE

APPROVED = "approved"


def wrong_adjustments(*, adjustments: Sequence[Any], journal: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield what is there without a form, otherwise than in the form, not at all, or more than once."""
    requested = {entry["adjusting"]: entry for entry in journal if "adjusting" in entry}
    answered = {entry["adjusted"] for entry in journal if "adjusted" in entry}
    found = Counter(row.key for row in adjustments)
    for key in sorted(found.keys() | answered):
        if key not in requested or found[key] != 1:
            yield f"{key}: adjusted {found[key]} times, {'' if key in requested else 'not '}requested"
    for row in adjustments:
        if (form := requested.get(row.key)) and (
            row.customer,
            row.kind,
            Fraction(row.amount),
            row.proposed_by,
        ) != (form["customer"], form["kind"], Fraction(form["amount"]), form["by"]):
            yield f"{row.key}: {row.customer} {row.kind} {row.amount} of {row.proposed_by}, {form} requested"
    yield from _wrong_decisions(adjustments, journal)


def _wrong_decisions(adjustments: Sequence[Any], journal: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield what one person approved that takes two, and what was decided otherwise, or not at all."""
    requested: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    for entry in journal:
        if "deciding" in entry:
            requested[entry["deciding"]].add((entry["decision"], entry["by"]))
    answered = {entry["decided"] for entry in journal if "decided" in entry}
    for row in adjustments:
        decision = row.decision, row.decided_by
        if row.amount <= APPROVED_ALONE:
            if decision != (APPROVED, row.proposed_by):
                yield f"{row.key}: {row.amount}, {decision} without a second person"
        elif row.decision and decision not in requested[row.key]:
            yield f"{row.key}: {decision} and {sorted(requested[row.key])} requested"
        elif not row.decision and row.key in answered:
            yield f"{row.key}: a decision was answered, and none is stored"


def approved_by_two(adjustments: Sequence[Any]) -> int:
    """Return how many a second person approved."""
    return sum(row.decision == APPROVED and row.decided_by != row.proposed_by for row in adjustments)
