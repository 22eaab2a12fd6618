"""The checker's part for what comes after a purchase: renewals, refunds and reversals, each once.

It shares no code with the product: a credit is a share of the price by fractions, cut off.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from math import floor
from typing import Any

DAY = dt.timedelta(days=1)


def wrong_renewals(
    *,
    renewals: Sequence[Any],
    purchases: Sequence[Any],
    periods: Sequence[Any],
    draws: Sequence[Any],
    refunds: Sequence[Any],
    closings: Sequence[Any],
) -> Iterator[str]:
    """Yield packages that were due and not renewed, or renewed otherwise than they were bought."""
    bought = {row.package: row for row in purchases}
    ends = {row.package: row.ends_at for row in sorted(periods, key=lambda row: row.ends_at)}
    used_up = {draw.package for draw in draws if not draw.is_return and (draw.ran_out_at or not draw.left)}
    refunded = {row.package for row in refunds}
    last = max((row.hour for row in closings), default=None)
    for row in renewals:
        old, new = bought[row.package], bought.get(row.renewed_by)
        if new is None:
            is_due = last is not None and (old.package in used_up or old.expires_at <= last)
            if row.is_on and not row.refused and is_due and row.package not in refunded:
                yield f"{old.number} was due and is not renewed"
        elif any(getattr(old, name) != getattr(new, name) for name in ("customer", "product", "units")):
            yield f"{old.number} was renewed by {new.number}, which is another product"
        elif new.begins_at != ends[old.package] and old.package not in refunded:
            late = [one for one in closings if ends[old.package] <= one.hour < new.begins_at]
            is_early = new.begins_at < ends[old.package] or len(late) * 3600 != _seconds(old, new, ends)
            if is_early or any(one.committed > new.committed for one in late):
                yield f"{old.number} ended at {ends[old.package]}, {new.number} begins at {new.begins_at}"
    for package, times in Counter(row.renewed_by for row in renewals if row.renewed_by).items():
        if times > 1:
            yield f"{bought[package].number} renews {times} packages"


def _seconds(old: Any, new: Any, ends: dict[int, dt.datetime]) -> int:
    return int((new.begins_at - ends[old.package]).total_seconds())


def wrong_refunds(
    *,
    refunds: Sequence[Any],
    purchases: Sequence[Any],
    periods: Sequence[Any],
    draws: Sequence[Any],
    closings: Sequence[Any],
    journal: Iterable[dict[str, Any]],
) -> Iterator[str]:
    """Yield refunds that were not ordered or are not one credit of what is left."""
    entries = list(journal)
    ordered = {entry["refunding"] for entry in entries if "refunding" in entry}
    answered = {entry["refunded"] for entry in entries if "refunded" in entry}
    bought = {row.package: row for row in purchases}
    found = Counter(bought[row.package].number for row in refunds)
    for number in sorted(found.keys() | answered):
        if number not in ordered:
            yield f"{number}: refunded and never ordered"
        if found[number] != 1:
            yield f"{number}: {found[number]} refunds"
    closed = {row.hour for row in closings}
    for row in refunds:
        package = bought[row.package]
        if row.sealed_in != (row.hour if row.hour in closed else None):
            yield f"{package.number}: ordered in {row.hour:%Y-%m-%dT%H}, credited in {row.sealed_in}"
        elif row.sealed_in is not None:
            own = sorted((draw for draw in draws if draw.package == row.package), key=lambda draw: draw.id)
            yield from _wrong_credit(row, package, own)
            over = max(package.begins_at, row.ends_at)
            if any(period.ends_at > over for period in periods if period.package == row.package):
                yield f"{package.number}: it goes on after {row.ends_at}"


def _wrong_credit(credit: Any, package: Any, draws: Sequence[Any]) -> Iterator[str]:
    if any(draw.hour > credit.sealed_in for draw in draws):
        yield f"{package.number}: drawn on after it was credited"
    if Fraction(credit.left) != _left(package, credit, draws):
        yield f"{package.number}: {credit.left} credited as left"
    if (credit.amount, credit.credited) != _share(credit):
        yield f"{package.number}: {credit.amount}, {credit.credited} for {credit.left} of {credit.quantity}"


def _left(package: Any, credit: Any, draws: Sequence[Any]) -> Fraction:
    if package.tokens is not None:
        return Fraction(draws[-1].left if draws else package.tokens)
    begun = max(0, -((package.begins_at - credit.ends_at) // DAY))
    return Fraction(package.quantity - (begun if package.begins_at <= credit.hour else 0) * package.units)


def _share(credit: Any) -> tuple[Fraction, Fraction]:
    share = Fraction(credit.paid) * Fraction(credit.left) / credit.quantity
    return Fraction(floor(share * 10**8), 10**8), Fraction(floor(share * 100), 100)


def wrong_reversals(*, reversals: Sequence[Any], journal: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield records that were reversed without a request, not at all, or more than once."""
    entries = list(journal)
    requested = {(entry["customer"], entry["reversing"]) for entry in entries if "reversing" in entry}
    answered = {(entry["customer"], entry["reversed"]) for entry in entries if "reversed" in entry}
    stored = {(row.customer, row.event_id): row.count for row in reversals}
    for key in sorted(stored.keys() | answered):
        if key not in requested or stored.get(key, 0) != 1:
            yield f"{key}: reversed {stored.get(key, 0)} times, {'' if key in requested else 'not '}requested"
    for entry in entries:
        if "not_reversed" in entry:
            yield f"{entry['not_reversed']}: acknowledged, and its reversal refused"
