"""An item's prices as pages draw them: the timeline, and in sentences what counts now, next and after."""

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from django.utils import timezone
from django.utils.translation import gettext, gettext_noop

from pricing.catalogue.offering import fact_of
from pricing.models import BillingItem, Price, moment_text, period_text
from pricing.rules.kinds import Kind
from pricing.timeline.geometry import Bar, Lane, Span, counting_prices, span_of, timeline_of
from pricing.words import kind_name

_WHEN = (
    gettext_noop("Now: %(price)s, since %(at)s."),
    gettext_noop("Next: %(price)s, from %(at)s."),
    gettext_noop("After that: %(price)s, from %(at)s."),
)


@dataclass(frozen=True)
class DrawnBar:
    """A bar with its words; the numbers are as CSS takes them."""

    text: str
    title: str
    offset: str
    width: str
    counts: bool


@dataclass(frozen=True)
class DrawnLane:
    """The bars of one kind with the lane's name."""

    name: str
    badge: str
    bars: list[DrawnBar]


@dataclass(frozen=True)
class Outlook:
    """An item's timeline and its sentences."""

    item: BillingItem
    since: dt.datetime
    until: dt.datetime
    now: str
    lanes: list[DrawnLane]
    sentences: list[str]
    zone: str


def prices_of(items: Collection[BillingItem]) -> dict[int, list[Price]]:
    """Read all prices of these items by the item's key, everybody's and customers' own."""
    prices: dict[int, list[Price]] = {item.pk: [] for item in items}
    for price in Price.objects.filter(billing_item__in=items).select_related(
        "billing_item__service", "customer"
    ):
        prices[price.billing_item_id].append(price)
    return prices


def outlook_now(*, item: BillingItem, now: dt.datetime) -> Outlook:
    """Draw an item's prices as they are."""
    prices = prices_of([item])[item.pk]
    return outlook_of(item=item, prices=prices, now=now, span=span_over(prices, now=now))


def span_over(prices: Iterable[Price], *, now: dt.datetime) -> Span:
    """Return the span that shows all that these prices plan."""
    return span_of([fact_of(price) for price in prices], now=now)


def outlook_of(*, item: BillingItem, prices: Sequence[Price], now: dt.datetime, span: Span) -> Outlook:
    """Draw these prices of an item over the span."""
    by_key = {price.pk: price for price in prices}
    facts = [fact_of(price) for price in prices]
    drawn = timeline_of(facts, now=now, span=span)
    counting = [(at, by_key[fact.id]) for at, fact in counting_prices(facts, customer=None, now=now)]
    return Outlook(
        item=item,
        since=span.since,
        until=span.until,
        now=f"{drawn.now:f}",
        lanes=[_lane(lane, by_key) for lane in drawn.lanes],
        sentences=_sentences(counting),
        zone=timezone.get_current_timezone_name(),
    )


def _sentences(counting: list[tuple[dt.datetime, Price]]) -> list[str]:
    sentences = [
        gettext(sentence) % {"price": price.text, "at": moment_text(at)}
        for sentence, (at, price) in zip(_WHEN, counting, strict=False)
    ]
    if len(counting) == 1:
        sentences.append(gettext("No change is planned."))
    more = len(counting) - len(sentences)
    return [*sentences, gettext("%(number)s more later.") % {"number": more}] if more > 0 else sentences


def _lane(lane: Lane, by_key: dict[int, Price]) -> DrawnLane:
    customer = by_key[lane.bars[0].price.id].customer
    return DrawnLane(
        name=_lane_name(lane.kind, customer.code if customer else ""),
        badge=lane.kind.badge,
        bars=[_bar(bar, by_key[bar.price.id]) for bar in lane.bars],
    )


def _lane_name(kind: Kind, customer: str) -> str:
    words = {"kind": kind_name(kind), "customer": customer}
    return gettext("%(kind)s, %(customer)s only") % words if customer else words["kind"]


def _bar(bar: Bar, price: Price) -> DrawnBar:
    text = gettext("free") if price.kind == Kind.FREE_TRIAL else f"{price.unit_price.normalize():f}"
    counts = gettext("counts") if bar.counts else gettext("does not count: another price comes first")
    if (bar.begins_at, bar.ends_at) == (price.begins_at, price.ends_at):
        part = ""
    else:
        part = f" {period_text(bar.begins_at, bar.ends_at)}"
    title = f"{price.text}, {price.period_text};{part} {counts}"
    return DrawnBar(text, title, f"{bar.offset:f}", f"{bar.width:f}", bar.counts)
