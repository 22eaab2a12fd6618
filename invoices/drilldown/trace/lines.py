"""From a charge line to the usage records behind it.

A line holds the records of its bill's hour, customer, service and hour of usage at whose own instants its
price counted; a price that changes within the hour makes two lines, which the instants tell apart. A
*reversal* holds the records that reverse those of the corrected line. A *re-rating* holds the records
of the line that it corrects, without those that were reversed on a bill before or on the same one.
"""

from decimal import Decimal
from typing import Any

from django.db.models import (
    BigIntegerField,
    Case,
    DecimalField,
    Exists,
    F,
    OuterRef,
    Q,
    QuerySet,
    Value,
    When,
)
from django.db.models.expressions import Combinable

from invoices.drilldown.coverage import Chain, chain_of, on_line, quantity_on
from invoices.drilldown.prices import Interval, PricesWithinHour, prices_within_hour, within
from invoices.models import ChargeLine, Correction, HourlyBill
from pricing.rules.measures import PARTS_OF, Measure
from usage.models import UsageRecord

_NUMBER = DecimalField(max_digits=50, decimal_places=14)


def records_of(*, line: ChargeLine) -> QuerySet[Any]:
    """Return the records whose quantities are the line's, each with its `quantity` and `amount` in it."""
    prices = _line_prices(line=line, customer_id=line.bill.customer_id)
    billed = line if line.corrects is None else line.corrects
    chain = chain_of(bill=billed.bill, service_id=line.service_id, usage_hour=line.usage_hour)
    event_id = "reverses" if line.correction == Correction.REVERSAL else "event_id"
    match line.correction:
        case Correction.NONE:
            found = _used_at_price(line=line, bill=line.bill, prices=prices).filter(reverses=None)
        case Correction.REVERSAL:
            found = _used_at_price(line=line, bill=line.bill, prices=prices).filter(
                _reverses_what(_corrected(line))
            )
        case _:
            found = _used_at_price(line=line, bill=_corrected(line).bill, prices=prices).filter(
                ~_reversed_until(line), reverses=None
            )
    found = on_line(found, line=line, chain=chain, event_id=event_id)
    return found.annotate(
        quantity=_quantity_on(line, prices, chain, event_id) * sign_of(line),
        amount=F("quantity") * Value(price_of_one(line), output_field=_NUMBER),
    )


def price_of_one(line: ChargeLine) -> Decimal:
    """Return what one token or character costs on this line; exact, because unit sizes are powers of ten."""
    return line.unit_price / line.unit_size


def differing_intervals(*, line: ChargeLine, customer_id: int) -> list[Interval]:
    """Return when in the line's hour of usage its price counted for this customer."""
    return _intervals_of(line, _line_prices(line=line, customer_id=customer_id))


def _intervals_of(line: ChargeLine, prices: PricesWithinHour) -> list[Interval]:
    return [interval for interval, price in prices.get(line.measure, ()) if price.id == line.price_id]


def _line_prices(*, line: ChargeLine, customer_id: int) -> PricesWithinHour:
    """Return the prices of the line's measure and of its parts in the line's hour of usage, by measure."""
    return prices_within_hour(
        customer_id=customer_id,
        service_id=line.service_id,
        measures=(Measure(line.measure), *PARTS_OF.get(Measure(line.measure), ())),
        hour=line.usage_hour,
    )


def _quantity_on(line: ChargeLine, prices: PricesWithinHour, chain: Chain, event_id: str) -> Combinable:
    """Return how much of a record is on the line: of a whole, with the parts that have no prices."""
    quantity = quantity_on(Measure(line.measure), line=line, chain=chain, event_id=event_id)
    for part in PARTS_OF.get(Measure(line.measure), ()):
        share = quantity_on(part, line=line, chain=chain, event_id=event_id)
        if part in prices:
            priced = When(within(interval for interval, _ in prices[part]), then=0)
            share = Case(priced, default=share, output_field=BigIntegerField())
        quantity = quantity + share
    return quantity


def _used_at_price(*, line: ChargeLine, bill: HourlyBill, prices: PricesWithinHour) -> QuerySet[UsageRecord]:
    return UsageRecord.objects.filter(
        within(_intervals_of(line, prices)),
        billing_hour=bill.hour_id,
        customer=bill.customer_id,
        service=line.service_id,
        is_charged=None,
    )


def _reverses_what(line: ChargeLine) -> Exists:
    """The condition that a record reverses one of this line's bill."""
    originals = UsageRecord.objects.filter(customer=OuterRef("customer_id"), event_id=OuterRef("reverses"))
    return Exists(originals.filter(billing_hour=line.bill.hour_id))


def _reversed_until(line: ChargeLine) -> Exists:
    """The condition that a record was reversed on a bill before this line's, or on the same."""
    bill, corrected = line.bill, _corrected(line)
    hours = HourlyBill.objects.filter(
        Q(sealed_in__lt=bill.sealed_in_id) | Q(sealed_in=bill.sealed_in_id, hour__lte=bill.hour_id),
        customer=bill.customer_id,
        hour__gt=corrected.bill.hour_id,
    )
    reversals = UsageRecord.objects.filter(customer=OuterRef("customer_id"), reverses=OuterRef("event_id"))
    return Exists(reversals.filter(billing_hour__in=hours.values("hour")))


def _corrected(line: ChargeLine) -> ChargeLine:
    if line.corrects is None:
        raise ValueError(f"Line {line.pk} corrects nothing.")
    return line.corrects


def sign_of(line: ChargeLine) -> int:
    return -1 if line.correction == Correction.CREDITED else 1
