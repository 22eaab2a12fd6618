"""What a change of prices does that is allowed, but may not be meant: in sentences for the preview."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from django.utils.translation import gettext

from pricing.catalogue.offering import fact_of
from pricing.models import Price, period_text
from pricing.rules.amounts import plain
from pricing.rules.kinds import Kind
from pricing.rules.precedence import PriceFact, instants_of, price_in_force

Prices = Sequence[Price]
_TENTH = Decimal("0.1")


def warnings_of(*, before: Mapping[int, Prices], after: Mapping[int, Prices], now: dt.datetime) -> list[str]:
    """Return the warnings for each item, by its prices before the change and after it."""
    return [
        warning
        for item, prices in after.items()
        for warn in (_endless, _unchanged, _without_list_price, _other_discount, _dearer)
        for warning in warn(_Change.of(before.get(item, []), prices, now))
    ]


@dataclass(frozen=True)
class _Change:
    """The prices of one item before a change and after it, and those that are new."""

    before: list[PriceFact]
    after: list[PriceFact]
    prices: dict[int, Price]
    new: list[PriceFact]
    now: dt.datetime

    @classmethod
    def of(cls, before: Prices, after: Prices, now: dt.datetime) -> "_Change":
        stored, planned = [fact_of(one) for one in before], [fact_of(one) for one in after]
        held = {fact.id: fact.terms for fact in stored}
        return cls(
            before=stored,
            after=planned,
            prices={price.pk: price for price in [*before, *after]},
            new=[fact for fact in planned if held.get(fact.id) != fact.terms],
            now=now,
        )

    def instants(self, since: dt.datetime, until: dt.datetime | None) -> list[dt.datetime]:
        """The instants of a period at which something may change, its beginning and those not past."""
        begin = max(since, self.now)
        edges = instants_of([*self.before, *self.after])
        return [begin, *(edge for edge in edges if edge > begin and (until is None or edge < until))]

    def text(self, fact: PriceFact) -> str:
        return self.prices[fact.id].text

    def name(self, fact: PriceFact) -> str:
        return str(self.prices[fact.id].billing_item)


def _text(sentence: str, change: _Change, fact: PriceFact, **words: str) -> str:
    return sentence % {"item": change.name(fact), "price": change.text(fact), **words}


def _endless(change: _Change) -> Iterator[str]:
    for fact in change.new:
        if fact.kind != Kind.LIST_PRICE and fact.ends_at is None:
            yield _text(gettext("%(item)s: %(price)s has no end."), change, fact)


def _unchanged(change: _Change) -> Iterator[str]:
    for fact in change.new:
        resumes = any(
            (one.customer, one.kind, one.ends_at) == (fact.customer, fact.kind, fact.begins_at)
            for one in change.new
        )
        counting = price_in_force(change.before, customer=fact.customer, at=fact.begins_at)
        if counting and not resumes and counting.terms == fact.terms:
            sentence = gettext("%(item)s: %(price)s is what is paid already, so nothing changes.")
            yield _text(sentence, change, fact)


def _without_list_price(change: _Change) -> Iterator[str]:
    for fact in change.new:
        if fact.kind != Kind.LIMITED_TIME_OFFER or _list_price(change.after, fact.customer, fact.begins_at):
            continue
        counting = price_in_force(change.before, customer=fact.customer, at=fact.begins_at)
        if counting and counting.rate:
            sentence = gettext(
                "%(item)s has no list price: %(price)s is %(off)s off what stands then, %(standing)s."
            )
            yield _text(sentence, change, fact, off=_off(fact, counting), standing=change.text(counting))


def _other_discount(change: _Change) -> Iterator[str]:
    """Offers that stay, beneath which the list price becomes another."""
    kept = {fact.id for fact in change.before} - {fact.id for fact in change.new}
    for fact in change.after:
        if fact.kind != Kind.LIMITED_TIME_OFFER or fact.id not in kept or _is_over(fact, change.now):
            continue
        for at in change.instants(fact.begins_at, fact.ends_at):
            was, becomes = (
                _list_price(prices, fact.customer, at) for prices in (change.before, change.after)
            )
            if was and becomes and was.terms != becomes.terms:
                sentence = gettext(
                    "%(item)s: the offer of %(offer)s stays, %(period)s. With this change it is %(off)s off "
                    "the list price of %(list_price)s, without it %(off_before)s off %(list_price_before)s."
                )
                yield _text(
                    sentence,
                    change,
                    fact,
                    offer=plain(fact.unit_price),
                    period=period_text(fact.begins_at, fact.ends_at),
                    off=_off(fact, becomes),
                    list_price=plain(becomes.unit_price),
                    off_before=_off(fact, was),
                    list_price_before=plain(was.unit_price),
                )
                break


def _dearer(change: _Change) -> Iterator[str]:
    """Customers whose own price becomes dearer than everybody's, now or while an offer runs."""
    for customer in sorted({fact.customer for fact in change.after if fact.customer}):
        spans = _spans(
            change.instants(change.now, None),
            lambda at, customer=customer: _dearer_pair(change.after, customer, at),  # type: ignore[misc]
        )
        for begin, end, (own, general) in spans:
            pair = _dearer_pair(change.before, customer, begin)
            if pair and (pair[0].terms, pair[1].terms) == (own.terms, general.terms):
                continue
            code = change.prices[own.id].customer
            sentence = gettext(
                "%(item)s: the contract price of %(customer)s, %(price)s, is dearer than everybody's, "
                "%(general)s, %(period)s."
            )
            words = {"general": change.text(general), "period": period_text(begin, end)}
            yield _text(sentence, change, own, customer=(code and code.code) or "", **words)


_Pair = tuple[PriceFact, PriceFact]


def _spans(
    instants: list[dt.datetime], pair_at: Callable[[dt.datetime], _Pair | None]
) -> Iterator[tuple[dt.datetime, dt.datetime | None, _Pair]]:
    """Yield the spans in which there is one and the same pair."""
    pairs = [(at, pair_at(at)) for at in instants]
    begin, held = None, None
    for at, pair in [*pairs, (None, None)]:
        if pair == held and at is not None:
            continue
        if begin is not None and held is not None:
            yield begin, at, held
        begin, held = at, pair


def _dearer_pair(prices: list[PriceFact], customer: int, at: dt.datetime) -> _Pair | None:
    own = price_in_force(prices, customer=customer, at=at)
    general = price_in_force(prices, customer=None, at=at)
    is_own = own is not None and own.customer is not None
    return (own, general) if own and general and is_own and own.rate > general.rate else None


def _list_price(prices: list[PriceFact], customer: int | None, at: dt.datetime) -> PriceFact | None:
    kept = [fact for fact in prices if fact.kind == Kind.LIST_PRICE]
    return price_in_force(kept, customer=customer, at=at)


def _is_over(fact: PriceFact, now: dt.datetime) -> bool:
    return fact.ends_at is not None and fact.ends_at <= now


def _off(fact: PriceFact, base: PriceFact) -> str:
    """By how many percent it is cheaper, to a tenth; dearer below 0."""
    if not base.rate:
        return "0 %"
    percent = ((base.rate - fact.rate) * 100 / base.rate).quantize(_TENTH, ROUND_HALF_EVEN)
    return f"{percent.normalize():f} %"
