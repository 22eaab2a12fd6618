"""The quota packages that the demo has on sale, at made-up prices, and those that its customers bought."""

import datetime as dt
from dataclasses import dataclass, replace
from decimal import Decimal
from uuid import NAMESPACE_URL, UUID, uuid5

from accounts.models import Customer
from invoices.packages.purchase import buy_package
from pricing.changes.apply import apply_rows
from pricing.changes.rows import AT_ONCE, ItemWeight, PackageRow
from pricing.models import PackageProduct, PackageTerms
from pricing.rules.measures import Measure
from pricing.rules.methods import BillingMethod
from pricing.rules.validity import ValidityUnit
from usage.models import HOUR

_TEN_MILLION = PackageRow(
    product="SenseChat-5 10M",
    method=BillingMethod.TOKENS_PACKAGE,
    services=("SenseChat-5",),
    tokens=10_000_000,
    validity=1,
    validity_unit=ValidityUnit.MONTH,
    list_price=Decimal("480.00"),
    offer_price=Decimal("450.00"),
    rpm=120,
    tpm=256_000,
    begins_at=AT_ONCE,
)
PACKAGES = (
    replace(
        _TEN_MILLION,
        product="SenseChat-5 500K",
        tokens=500_000,
        list_price=Decimal("26.00"),
        offer_price=None,
    ),
    replace(
        _TEN_MILLION,
        product="SenseChat-5 2M",
        tokens=2_000_000,
        list_price=Decimal("100.00"),
        offer_price=None,
    ),
    _TEN_MILLION,
    replace(
        _TEN_MILLION,
        product="SenseChat-5 100M",
        tokens=100_000_000,
        validity=3,
        list_price=Decimal("4500.00"),
        offer_price=None,
    ),
    replace(
        _TEN_MILLION,
        product="General 50M",
        services=(),
        groups=("General",),
        tokens=50_000_000,
        list_price=Decimal("640.00"),
        offer_price=None,
        rpm=None,
        tpm=None,
        # A token of the dearest model takes more of a package for the whole group.
        weights=(
            ItemWeight(service="SenseChat-5", measure=Measure.INPUT_TOKENS, weight=Decimal(3)),
            ItemWeight(service="SenseChat-5", measure=Measure.OUTPUT_TOKENS, weight=Decimal(8)),
        ),
    ),
    PackageRow(
        product="SenseChat-5 TPM by day",
        method=BillingMethod.TPM_PACKAGE,
        services=("SenseChat-5",),
        validity=1,
        validity_unit=ValidityUnit.DAY,
        list_price=Decimal("60.00"),
        begins_at=AT_ONCE,
    ),
    PackageRow(
        product="SenseChat-5-Cantonese TPM by day",
        method=BillingMethod.TPM_PACKAGE,
        services=("SenseChat-5-Cantonese",),
        validity=1,
        validity_unit=ValidityUnit.DAY,
        list_price=Decimal("40.00"),
        begins_at=AT_ONCE,
    ),
)


@dataclass(frozen=True)
class Order:
    """What a customer of the demo bought, so many hours ago; units and days are of a TPM package."""

    customer: str
    product: str
    hours_ago: int
    units: int | None = None
    days: int = 1

    @property
    def order_id(self) -> UUID:
        """The same at every start, so that one which was interrupted buys nothing twice."""
        return uuid5(NAMESPACE_URL, f"demo/{self.customer}/{self.product}")


# The first is used up within a day; what is called until the second is bought is charged.
ORDERS = (
    Order("harbour-books", "SenseChat-5 500K", hours_ago=46),
    Order("harbour-books", "SenseChat-5 2M", hours_ago=20),
    Order("lantern-radio", "SenseChat-5-Cantonese TPM by day", hours_ago=47, units=1, days=30),
)


def sell_packages(*, begins_at: dt.datetime, by: str, now: dt.datetime) -> None:
    """Put the demo's packages on sale from this instant on, unless there are products already."""
    if not PackageProduct.objects.exists():
        rows = [replace(row, begins_at=begins_at) for row in PACKAGES]
        apply_rows(rows=rows, by=by, reason="Packages to look at.", now=now)


def buy_packages(*, hour: dt.datetime, by: str) -> None:
    """Let the demo's customers have bought packages some hours before this one, if they are on sale."""
    for order in ORDERS:
        bought_at = hour - order.hours_ago * HOUR
        terms = PackageTerms.objects.filter(product__name=order.product).in_force(at=bought_at).first()
        if terms is not None:
            buy_package(
                customer=Customer.objects.get(code=order.customer),
                terms=terms,
                units=order.units,
                periods=order.days,
                order_id=order.order_id,
                by=by,
                now=bought_at,
            )
