"""Estimates: what a given usage would cost, by line; nothing is stored."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import UNSET, Meta, UnsetType

from accounts.models import Customer
from pricing.catalogue.offering import facts_of, items_with_prices
from pricing.models import Service
from pricing.rules.amounts import amount_of, exact_sum
from pricing.rules.characters import count_characters
from pricing.rules.measured_structs import with_measures
from pricing.rules.measures import MAX_QUANTITY, WHOLE_OF, Measure, parts_beyond_whole
from pricing.rules.precedence import PriceFact, price_in_force
from sensenova_billing.lib.api.errors import DETAILS_SHOWN, ApiError, ItemProblem, Unreadable
from sensenova_billing.lib.api.strict_json import (
    TOO_FINE,
    BadItem,
    Instant,
    Name,
    read_as,
    read_json,
    require_text,
)

MOST_USAGES = 100

Quantity = Annotated[int, Meta(ge=0, le=MAX_QUANTITY)]


@with_measures(Quantity | UnsetType, default=UNSET)
class EstimatedUsage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What calls of one service use; it names at least one quantity.

    `service` is its name or an alias. `input_text` may stand in for `input_characters`: it is counted, and
    never stored.
    """

    service: Name
    input_tokens: Quantity | UnsetType = UNSET
    output_tokens: Quantity | UnsetType = UNSET
    input_characters: Quantity | UnsetType = UNSET
    input_text: str | UnsetType = UNSET


class EstimateRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Usage that is to be priced; `at` is RFC 3339 with an offset, and the present if it is left out.

    `customer` is the code of the customer at whose prices it is priced.
    """

    usage: Annotated[list[EstimatedUsage], Meta(min_length=1, max_length=MOST_USAGES)]
    at: Instant | UnsetType = UNSET
    customer: Name | UnsetType = UNSET


class _Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The same before its items are looked at, so that all bad ones are named."""

    usage: list[Any]
    at: Instant | UnsetType = UNSET
    customer: Name | UnsetType = UNSET


class PricedService(NamedTuple):
    """A service with the price in force of each of its billing items; None where there is none."""

    name: str
    prices: Mapping[Measure, PriceFact | None]


@dataclass(frozen=True)
class EstimateLine:
    """A quantity of one billing item at one price, for the usage of this index."""

    index: int
    service: str
    measure: Measure
    quantity: int
    price: PriceFact

    @property
    def amount(self) -> Decimal:
        """What it costs, exact."""
        return amount_of(
            quantity=self.quantity, unit_price=self.price.unit_price, unit_size=self.price.unit_size
        )


@dataclass(frozen=True)
class Estimate:
    """The lines, and what they come to."""

    lines: list[EstimateLine]

    @property
    def total(self) -> Decimal:
        """The exact sum."""
        return exact_sum(line.amount for line in self.lines)


class BadEstimate(ApiError):
    """Some of the usage cannot be priced; every bad item is named, the first hundred in detail."""

    def __init__(self, problems: Sequence[ItemProblem]) -> None:
        bad = len({problem.index for problem in problems})
        super().__init__(
            "invalid_usage",
            f"{bad:,} {'item' if bad == 1 else 'items'} of usage cannot be priced. Nothing was stored.",
            [asdict(problem) for problem in problems[:DETAILS_SHOWN]],
        )


def decode_estimate(body: bytes, *, now: dt.datetime) -> tuple[list[EstimatedUsage], dt.datetime, str]:
    """Return the usage in a JSON object, when and for which customer it is priced, or raise an ApiError."""
    payload = read_json(body)
    if isinstance(payload, dict) and isinstance(instant := payload.get("at"), str):
        payload = payload | {"at": TOO_FINE.sub(r"\1", instant, count=1)}
    try:
        envelope = read_as(_Envelope, payload)
        at, customer = _as_utc(envelope.at or now), envelope.customer or ""
        require_text("customer", customer)
    except BadItem as error:
        where = f" at `{error.field}`" if error.field else ""
        raise Unreadable("invalid_estimate", f"{error}{where}. Nothing was stored.") from error
    if not 1 <= len(envelope.usage) <= MOST_USAGES:
        held = len(envelope.usage)
        raise Unreadable(
            "invalid_estimate", f"`usage` holds 1 to {MOST_USAGES} items, not {held:,}. Nothing was stored."
        )
    usages, problems = [], []
    for index, item in enumerate(envelope.usage):
        try:
            usages.append(_usage_of(item))
        except BadItem as error:
            problems.append(ItemProblem(index, error.field, error.reason))
    if problems:
        raise BadEstimate(problems)
    return usages, at, customer


def estimate(*, usages: Sequence[EstimatedUsage], at: dt.datetime) -> Estimate:
    """Return what this usage costs at the prices for everybody at this instant, or raise BadEstimate."""
    return estimate_at_prices(usages=usages, services=_priced(_named(usages, None), at, None))


def estimates_of(
    *, usages: Sequence[EstimatedUsage], at: dt.datetime, customer: Customer
) -> tuple[Estimate, Estimate | None]:
    """Return what this usage costs the customer, and everybody; None if some is not on sale to everybody."""
    services = _named(usages, customer)
    own = estimate_at_prices(usages=usages, services=_priced(services, at, customer.pk))
    try:
        return own, estimate_at_prices(usages=usages, services=_priced(services, at, None))
    except BadEstimate:
        return own, None


def estimate_at_prices(
    *, usages: Sequence[EstimatedUsage], services: Mapping[str, PricedService]
) -> Estimate:
    """Return what this usage costs at the prices of these services, by name, or raise BadEstimate."""
    lines: list[EstimateLine] = []
    problems: list[ItemProblem] = []
    for index, usage in enumerate(usages):
        try:
            lines += _lines(index, usage, services.get(usage.service))
        except BadItem as error:
            problems.append(ItemProblem(index, error.field, error.reason))
    if problems:
        raise BadEstimate(problems)
    return Estimate(lines)


def _as_utc(instant: dt.datetime) -> dt.datetime:
    try:
        return instant.astimezone(dt.UTC)
    except OverflowError as error:
        raise BadItem("at", "is too far away") from error


def _usage_of(fields: Any) -> EstimatedUsage:
    usage = read_as(EstimatedUsage, fields)
    require_text("service", usage.service)
    require_text("input_text", usage.input_text or "")
    if usage.input_text is not UNSET and usage.input_characters is not UNSET:
        raise BadItem("input_text", "give either input_characters or input_text")
    if not _quantities(usage):
        raise BadItem("", "names no quantity")
    return usage


def _quantities(usage: EstimatedUsage) -> dict[Measure, int]:
    quantities = {measure: getattr(usage, measure) for measure in Measure}
    if usage.input_text is not UNSET:
        quantities[Measure.INPUT_CHARACTERS] = count_characters(usage.input_text)
    return {measure: quantity for measure, quantity in quantities.items() if quantity is not UNSET}


def _named(usages: Iterable[EstimatedUsage], customer: Customer | None) -> dict[str, Service]:
    """Return the services that are used; a service of that very name comes before an alias."""
    names = {usage.service for usage in usages}
    services = Service.objects.prefetch_related(items_with_prices(customer))
    named = {service.name: service for service in services.filter(name__in=names)}
    aliases = names - named.keys()
    aliased = services.filter(aliases__alias__in=aliases).prefetch_related("aliases") if aliases else ()
    return named | {
        alias.alias: service
        for service in aliased
        for alias in service.aliases.all()
        if alias.alias in aliases
    }


def _priced(services: Mapping[str, Service], at: dt.datetime, payer: int | None) -> dict[str, PricedService]:
    return {
        name: PricedService(
            service.name,
            {
                Measure(item.measure): price_in_force(facts_of(item), customer=payer, at=at)
                for item in service.billing_items.all()
            },
        )
        for name, service in services.items()
    }


def _lines(index: int, usage: EstimatedUsage, service: PricedService | None) -> Iterable[EstimateLine]:
    """Make a line of each quantity that is named; raise BadItem for one that is not sold."""
    if service is None:
        raise BadItem("service", f"there is no service named {usage.service!r}")
    quantities = _quantities(usage)
    prices = {measure: service.prices.get(measure) for measure in quantities}
    for measure, quantity in _without_priced_parts(quantities, prices).items():
        price = prices[measure]
        if price is not None:
            yield EstimateLine(index, service.name, measure, quantity, price)
        elif quantity:
            when = " at that instant" if measure in service.prices else ""
            raise BadItem(measure, f"{service.name} does not charge for {measure.label.lower()}{when}")


def _without_priced_parts(
    quantities: Mapping[Measure, int], prices: Mapping[Measure, PriceFact | None]
) -> dict[Measure, int]:
    """Take parts that have a price out of their wholes, leave the others in them; raise BadItem."""
    if beyond := parts_beyond_whole(quantities):
        raise BadItem(*beyond)
    left = dict(quantities)
    for part in [part for part in WHOLE_OF if part in left]:
        if prices[part] is None:
            del left[part]
        elif quantities[part]:
            left[WHOLE_OF[part]] -= quantities[part]
    return left
