"""Puts quota packages on sale, and makes owners who may buy them, finance and staff, for the fault harness.

Free trials come and go meanwhile, one of everybody's and one of the first customer's.
"""

import datetime as dt
import json
from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from accounts.models import Customer, Member, MemberRole, User
from pricing.changes.apply import apply_rows
from pricing.changes.rows import ItemWeight, PackageRow, PriceRow
from pricing.models import PackageTerms
from pricing.rules.kinds import Kind
from pricing.rules.measures import Measure
from pricing.rules.methods import BillingMethod
from pricing.rules.validity import ValidityUnit
from sensenova_billing.lib import clock
from tests.faults import people
from usage.models import HOUR

# A web server whose clock is behind sells them too.
SINCE = dt.timedelta(days=1)
BY = "fault harness"


def _tokens(product: str, tokens: int, *services: str, begins_at: dt.datetime, **fields: Any) -> PackageRow:
    return PackageRow(
        product=product,
        method=BillingMethod.TOKENS_PACKAGE,
        services=services,
        tokens=tokens,
        validity=1,
        validity_unit=ValidityUnit.DAY,
        list_price=Decimal(20),
        begins_at=begins_at,
        **fields,
    )


def _tpm(product: str, service: str, *, begins_at: dt.datetime) -> PackageRow:
    return PackageRow(
        product=product,
        method=BillingMethod.TPM_PACKAGE,
        services=(service,),
        validity=1,
        validity_unit=ValidityUnit.DAY,
        list_price=Decimal("3.5"),
        begins_at=begins_at,
    )


def _trial(
    service: str, *, begins_at: dt.datetime, ends_at: dt.datetime, customer: str = ""
) -> list[PriceRow]:
    return [
        PriceRow(
            service=service,
            measure=measure,
            customer=customer,
            kind=Kind.FREE_TRIAL,
            unit_price=Decimal(0),
            unit_size=1000,
            begins_at=begins_at,
            ends_at=ends_at,
        )
        for measure in (Measure.INPUT_TOKENS, Measure.OUTPUT_TOKENS)
    ]


class Command(BaseCommand):
    help = "Puts packages on sale, makes an owner of each customer, and prints the terms by product as JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("password")
        parser.add_argument("codes", nargs="+")

    def handle(self, *args: Any, **options: Any) -> None:
        for code in options["codes"]:
            person = User.objects.create_user(f"owner@{code}.example", options["password"])
            customer = Customer.objects.get(code=code)
            Member.objects.create(customer=customer, user=person, role=MemberRole.OWNER)
        for email in (*people.CASHIERS, *people.ADJUSTERS, *people.IMPORTERS):
            User.objects.create_superuser(email, options["password"])
        customers = Customer.objects.filter(code__in=options["codes"])
        for email in people.FINANCE:
            person = User.objects.create_user(email, options["password"])
            Member.objects.bulk_create(
                Member(customer=customer, user=person, role=MemberRole.FINANCE) for customer in customers
            )
        now = clock.now()
        on_sale: dict[str, Any] = {"begins_at": now - SINCE}
        output = ItemWeight(service="SenseChat-5", measure=Measure.OUTPUT_TOKENS, weight=Decimal("2.5"))
        rows: list[PackageRow | PriceRow] = [
            _tokens("small", 60_000, "SenseChat-5", **on_sale),
            _tokens("weighed", 150_000, "SenseChat-5", weights=(output,), **on_sale),
            _tokens("both", 400_000, "SenseChat-5", "SenseChat-Turbo", **on_sale),
            _tokens("embedding", 200_000, "nova-embedding-stable", **on_sale),
            _tpm("SenseChat-5 TPM", "SenseChat-5", **on_sale),
            _tpm("SenseChat-Turbo TPM", "SenseChat-Turbo", **on_sale),
        ]
        first = options["codes"][0]
        rows += _trial("SenseChat-Turbo", begins_at=now + 4 * HOUR, ends_at=now + 16.5 * HOUR)
        rows += _trial("SenseChat-5", begins_at=now + 10 * HOUR, ends_at=now + 60 * HOUR, customer=first)
        apply_rows(rows=rows, by=BY, reason="To be bought.", now=now)
        terms = PackageTerms.objects.values_list("product__name", "pk")
        self.stdout.write(json.dumps(dict(terms)))
