"""The quota packages that the demo has on sale; their prices are made up."""

import datetime as dt
from dataclasses import replace
from decimal import Decimal

from pricing.changes.apply import apply_rows
from pricing.changes.rows import AT_ONCE, ItemWeight, PackageRow
from pricing.models import PackageProduct
from pricing.rules.measures import Measure
from pricing.rules.methods import BillingMethod
from pricing.rules.validity import ValidityUnit

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
)


def sell_packages(*, begins_at: dt.datetime, by: str, now: dt.datetime) -> None:
    """Put the demo's packages on sale from this instant on, unless there are products already."""
    if not PackageProduct.objects.exists():
        rows = [replace(row, begins_at=begins_at) for row in PACKAGES]
        apply_rows(rows=rows, by=by, reason="Packages to look at.", now=now)
