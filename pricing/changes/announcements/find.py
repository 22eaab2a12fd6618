"""Which offers and free trials were announced together, as the audit trail records it."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.translation import gettext

from accounts.models import AuditAction, AuditEntry
from pricing.changes.undo import superseded_by
from pricing.models import Price, moment_text
from pricing.rules.kinds import Kind

# What begins now begins while it is written.
ALREADY = dt.timedelta(minutes=1)


@dataclass(frozen=True)
class Announcement:
    """Offers or trials that one change of prices added and that are not over.

    `continued` are prices by the key of that after which they go on: what it interrupts in its own series.
    """

    by: str
    reason: str
    at: dt.datetime
    prices: list[Price]
    continued: dict[int, Price]

    @property
    def key(self) -> int:
        """The key by which a form names it."""
        return min(price.pk for price in self.prices)

    def __str__(self) -> str:
        first = self.prices[0]
        words = {
            "item": first.billing_item,
            "price": first.text,
            "number": len(self.prices) - 1,
            "period": first.period_text,
            "at": moment_text(self.at),
            "person": self.by,
            "reason": self.reason,
        }
        if len(self.prices) == 1:
            text = gettext("%(item)s: %(price)s, %(period)s; announced at %(at)s by %(person)s: %(reason)s")
            return text % words
        text = gettext(
            "%(item)s: %(price)s and %(number)s more, %(period)s; announced at %(at)s by %(person)s: "
            "%(reason)s"
        )
        return text % words


def announcements(*, now: dt.datetime) -> list[Announcement]:
    """Return the announcements of which something is in force or scheduled, the newest first."""
    prices = Price.objects.from_then_on(at=now).exclude(kind=Kind.LIST_PRICE).with_names()
    by_key = {str(price.pk): price for price in prices.order_by("billing_item", "begins_at")}
    entries = AuditEntry.objects.filter(
        table=Price._meta.db_table, deed=AuditAction.ADDED, row__in=by_key, transaction__isnull=False
    )
    together: dict[tuple[int | None, str, str], list[AuditEntry]] = {}
    for entry in entries.order_by("pk"):
        if by_key[entry.row].begins_at < entry.at - ALREADY:
            continue  # it was imported with its past
        together.setdefault((entry.transaction, entry.by, entry.reason), []).append(entry)
    found = [_announcement(added, [by_key[entry.row] for entry in added]) for added in together.values()]
    return sorted(found, key=lambda one: one.at, reverse=True)


def _announcement(added: list[AuditEntry], prices: list[Price]) -> Announcement:
    continued = {price.pk: rest for price in prices if (rest := _rest(price, prices)) is not None}
    rests = {rest.pk for rest in continued.values()}
    first = added[0]
    return Announcement(
        by=first.by,
        reason=first.reason,
        at=first.at,
        prices=[price for price in prices if price.pk not in rests],
        continued=continued,
    )


def _rest(price: Price, prices: Iterable[Price]) -> Price | None:
    """Return what goes on after a price because the price only interrupts it."""
    following = [
        one
        for one in prices
        if (one.billing_item_id, one.customer_id, one.kind, one.begins_at)
        == (price.billing_item_id, price.customer_id, price.kind, price.ends_at)
    ]
    if not following:
        return None
    interrupted = Price.objects.filter(pk__in=superseded_by(price).truncated)
    terms = {(one.unit_price, one.unit_size) for one in interrupted}
    return next((one for one in following if (one.unit_price, one.unit_size) in terms), None)
