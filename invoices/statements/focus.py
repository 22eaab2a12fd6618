"""The charges of a statement in the columns of FOCUS 1.2, the specification of cost and usage files.

A row for each charge line, package purchase, refund, credit and charge by hand, and one for what the
payable drops of the exact total, so that the sum of `BilledCost` of an `InvoiceId` is the payable. Where we
differ from the specification is said in docs/account.md.
"""

import datetime as dt
from bisect import bisect_right
from collections.abc import Iterator
from decimal import Decimal

from django.db.models import QuerySet

from invoices.drilldown.csv_tables import hour_utc
from invoices.models import (
    Adjustment,
    AdjustmentKind,
    ChargeLine,
    Correction,
    PackageCredit,
    PackagePurchase,
    Statement,
)
from invoices.statements.parts import StatementParts
from pricing.files.csv import Cell
from pricing.models import BillingItem, PackageWeight, Price
from pricing.rules.amounts import amount_of, exact_sum
from pricing.rules.kinds import Kind
from pricing.rules.measures import Measure
from usage.billing_hours import hour_of
from usage.models import HOUR

FOCUS_COLUMNS = (
    *("BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd"),
    *("BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency"),
    *("ChargePeriodEnd", "ChargePeriodStart", "ConsumedQuantity", "ConsumedUnit", "ContractedCost"),
    *("ContractedUnitPrice", "EffectiveCost", "InvoiceId", "InvoiceIssuerName", "ListCost", "ListUnitPrice"),
    *("PricingCategory", "PricingQuantity", "PricingUnit", "ProviderName", "PublisherName"),
    *("ServiceCategory", "ServiceName", "ServiceSubcategory", "SkuId", "SkuMeter", "SkuPriceDetails"),
    *("SkuPriceId", "x_Bill", "x_ChargeLine", "x_Package", "x_PriceKind"),
)
_BATCH = 2000  # rows of a server-side cursor
_AI = {"ServiceCategory": "AI and Machine Learning", "ServiceSubcategory": "Generative AI"}
_Row = dict[str, Cell]


def focus_rows(statement: Statement) -> Iterator[list[Cell]]:
    """Yield a row for each charge, in the order of FOCUS_COLUMNS; amounts are in RMB."""
    parts = StatementParts(statement.customer, statement.begins_at, statement.ends_at)
    shared = _of_all_rows(statement)
    for row in _charges(statement, parts):
        whole = shared | row
        yield [whole.get(column) for column in FOCUS_COLUMNS]


def _of_all_rows(statement: Statement) -> _Row:
    return {
        "BillingAccountId": statement.customer_code,
        "BillingAccountName": statement.customer_name,
        "BillingCurrency": "CNY",
        "InvoiceId": statement.number,
        "InvoiceIssuerName": statement.seller_name,
        "ProviderName": statement.seller_name,
        "PublisherName": statement.seller_name,
        **_span("Billing", statement.begins_at, statement.ends_at),
    }


def _charges(statement: Statement, parts: StatementParts) -> Iterator[_Row]:
    lines = ChargeLine.objects.filter(bill__in=parts.bills())
    prices = _Prices(statement, BillingItem.objects.filter(pk__in=lines.values("billing_item")))
    read_with_it = ("bill", "price", "corrects__bill", "package__purchase")
    listed = lines.select_related(*read_with_it).order_by("bill__hour_id", "id")
    for line in listed.iterator(chunk_size=_BATCH):
        yield _line_row(line, statement, prices)
    yield from map(_purchase_row, parts.purchases().select_related("package__terms"))
    yield from map(_credit_row, parts.credits().select_related("package"))
    yield from map(_adjustment_row, parts.adjustments().select_related("service"))
    if dropped := exact_sum([statement.payable, -statement.amount]):
        yield _dropped_row(dropped, statement)


def _line_row(line: ChargeLine, statement: Statement, prices: "_Prices") -> _Row:
    measure = Measure(line.measure)
    unit = measure.unit.capitalize()
    listed, contracted = prices.list_and_contracted(line)
    return {
        "BilledCost": line.amount,
        "ChargeCategory": "Usage",
        "ChargeClass": _charge_class(line, statement),
        "ChargeDescription": _description(line),
        "ChargeFrequency": "Usage-Based",
        "ConsumedQuantity": line.quantity,
        "ConsumedUnit": unit,
        "ContractedCost": _cost(line, contracted),
        "ContractedUnitPrice": _unit_price(line, contracted),
        "EffectiveCost": prices.effective_cost(line),
        "ListCost": _cost(line, listed),
        "ListUnitPrice": _unit_price(line, listed),
        "PricingCategory": "Standard",
        "PricingQuantity": amount_of(quantity=line.quantity, unit_price=Decimal(1), unit_size=line.unit_size),
        "PricingUnit": unit if line.unit_size == 1 else f"{line.unit_size} {unit}",
        "ServiceName": line.service_name,
        "SkuId": f"item-{line.billing_item_id}",
        "SkuMeter": measure.label,
        "SkuPriceId": f"price-{listed.pk}",
        "x_Bill": line.bill.number,
        "x_ChargeLine": line.pk,
        "x_Package": line.package.number if line.package else None,
        "x_PriceKind": line.price_kind,
        **_span("Charge", line.usage_hour, line.usage_hour + HOUR),
        **_AI,
    }


def _purchase_row(purchase: PackagePurchase) -> _Row:
    package = purchase.package
    return {
        "BilledCost": purchase.amount,
        "ChargeCategory": "Purchase",
        "ChargeDescription": f"Package {package.product_name}",
        "ChargeFrequency": "One-Time",
        "ContractedCost": purchase.amount,
        "ContractedUnitPrice": purchase.price,
        # Usage has its share of a Tokens package; TPM are paid for whether they are used or not.
        "EffectiveCost": purchase.amount if package.tokens is None else Decimal(0),
        "ListCost": purchase.list_price * purchase.quantity,
        "ListUnitPrice": purchase.list_price,
        "PricingCategory": "Standard",
        "PricingQuantity": purchase.quantity,
        "PricingUnit": "Units",
        "ServiceName": purchase.services,
        "SkuId": f"product-{package.terms.product_id}",
        "SkuMeter": package.product_name,
        "SkuPriceId": f"terms-{package.terms_id}",
        "x_Package": package.number,
        **_span("Charge", package.begins_at, package.expires_at),
        **_AI,
    }


def _credit_row(credit: PackageCredit) -> _Row:
    return {
        **_all_costs(-credit.credited),
        "ChargeCategory": "Credit",
        "ChargeDescription": f"Refund of {credit.product_name}",
        "ChargeFrequency": "One-Time",
        "ServiceName": credit.product_name,
        "x_Bill": credit.number,
        "x_Package": credit.package.number,
        **_span("Charge", credit.sealed_in_id, credit.sealed_in_id + HOUR),
        **_AI,
    }


def _adjustment_row(adjustment: Adjustment) -> _Row:
    is_credit = adjustment.kind == AdjustmentKind.CREDIT
    decided_at = hour_of(adjustment.decided_at) if adjustment.decided_at else None
    return {
        **_all_costs(adjustment.owed),
        "ChargeCategory": "Credit" if is_credit else "Adjustment",
        "ChargeDescription": adjustment.reason,
        "ChargeFrequency": "One-Time",
        "ServiceName": adjustment.service.name if adjustment.service else "Statement",
        "x_Bill": adjustment.number,
        **(_span("Charge", decided_at, decided_at + HOUR) if decided_at else {}),
        **_AI,
    }


def _dropped_row(dropped: Decimal, statement: Statement) -> _Row:
    return {
        **_all_costs(dropped),
        "ChargeCategory": "Adjustment",
        "ChargeDescription": "What the payable, in whole fen, drops of the exact total",
        "ChargeFrequency": "One-Time",
        "ServiceCategory": "Other",
        "ServiceName": "Statement",
        "ServiceSubcategory": "Other (Other)",
        **_span("Charge", statement.begins_at, statement.ends_at),
    }


def _span(name: str, begins_at: dt.datetime, ends_at: dt.datetime) -> _Row:
    return {f"{name}PeriodStart": hour_utc(begins_at), f"{name}PeriodEnd": hour_utc(ends_at)}


def _all_costs(amount: Decimal) -> _Row:
    return dict.fromkeys(("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"), amount)


class _Prices:
    """Everybody's list prices and the customer's own, and what packages count, of some billing items."""

    def __init__(self, statement: Statement, items: QuerySet[BillingItem]) -> None:
        self._by_item: dict[tuple[int, bool], list[Price]] = {}
        prices = Price.objects.filter(kind=Kind.LIST_PRICE, billing_item__in=items)
        for price in prices.order_by("begins_at"):
            if price.customer_id in (None, statement.customer_id):
                is_own = price.customer_id is not None
                self._by_item.setdefault((price.billing_item_id, is_own), []).append(price)
        weights = PackageWeight.objects.filter(package__customer=statement.customer)
        self._weights = {(one.package_id, one.billing_item_id): one.weight for one in weights}

    def list_and_contracted(self, line: ChargeLine) -> tuple[Price, Price]:
        """Return the list prices for everybody and for the customer as the line's hour of usage began.

        Where there was none, the price that was charged stands for it.
        """
        listed = self._at(line, is_own=False) or line.price
        return listed, self._at(line, is_own=True) or listed

    def effective_cost(self, line: ChargeLine) -> Decimal:
        """Return the amount; of what a Tokens package covers, its share of the package's price."""
        if line.package is None or line.package.tokens is None:
            return line.amount
        weight = self._weights.get((line.package.pk, line.billing_item_id), Decimal(1))
        share: Decimal = line.package.purchase.amount * line.quantity * weight / line.package.tokens
        return share

    def _at(self, line: ChargeLine, *, is_own: bool) -> Price | None:
        prices = self._by_item.get((line.billing_item_id, is_own), [])
        place = bisect_right(prices, line.usage_hour, key=lambda price: price.begins_at)
        last = prices[place - 1] if place else None
        return last if last and (last.ends_at is None or last.ends_at > line.usage_hour) else None


def _cost(line: ChargeLine, price: Price) -> Decimal:
    return amount_of(quantity=line.quantity, unit_price=price.unit_price, unit_size=price.unit_size)


def _unit_price(line: ChargeLine, price: Price) -> Decimal:
    return amount_of(quantity=line.unit_size, unit_price=price.unit_price, unit_size=price.unit_size)


def _charge_class(line: ChargeLine, statement: Statement) -> str | None:
    """Tell corrections of what was on an earlier statement."""
    return "Correction" if line.corrects and line.corrects.bill.sealed_in_id < statement.begins_at else None


def _description(line: ChargeLine) -> str:
    words = f"{line.service_name}: {Measure(line.measure).label}"
    return f"{words} ({Correction(line.correction).words})" if line.correction else words
