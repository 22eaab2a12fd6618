"""Acme, to whom everything has happened, and then one more row of every kind, again and again."""

import datetime as dt
from decimal import Decimal

from django.db import transaction

from accounts.api_keys.keys import issue_service_key, revoke_service_key
from accounts.models import Customer, DeliveryState, Member, Scope, Session, User
from accounts.people.invitations import LASTS, invite
from invoices.adjustments.basis import Basis
from invoices.books.results import store_verification
from invoices.books.verify import verify_books
from invoices.models import (
    AdjustmentKind,
    HourlyBill,
    NoticeKind,
    OpenHourAlarm,
    PackageNotice,
    QuotaOverrun,
    Rerating,
)
from invoices.packages.after_sale.refund import order_refund
from invoices.usage_report.metadata import sum_up_closed_hours
from pricing.changes.rows import cells_of
from pricing.changes.stored import price_row
from pricing.models import (
    CallSpecification,
    Price,
    Proposal,
    QuotaPackage,
    Service,
    ServiceAlias,
    ServiceGroup,
)
from pricing.rules.kinds import Kind
from tests.accounts.webhooks.builders import endpoint
from tests.builders import THE_HOUR, at, close, price, record, report
from tests.invoices.adjustments.builders import proposed
from tests.invoices.bank_import.builders import imported, row
from tests.invoices.einvoices.builders import requested, stated
from tests.invoices.payments.builders import called_back, disputed, ordered
from tests.invoices.statements.builders import booked
from tests.packages import buy, draw, tokens_product
from tests.translations.test_pages import deliver
from tests.usage.limits.builders import ask
from tests.usage.quarantine.builders import in_quarantine
from usage.ingest.reversals import reverse_record
from usage.models import RefusalReason, RefusedUsage, UsageArchive

BY = "operator@sensenova.example"
DAY = dt.timedelta(days=1)
# `keep_everything` closes the hours before.
_FIRST = 4


def now_of(number: int) -> dt.datetime:
    """Return an instant of the hour in which the rows of this number are added."""
    return at(40, hour=_FIRST + number)


def add_one_of_each(number: int) -> None:
    """Add a row of each kind and close its hour; the bill has one service and one call of each more."""
    acme = Customer.objects.get(code="acme")
    service = _put_on_sale(number, acme)
    _make_people_and_keys(number, acme)
    _send_webhooks(number, acme)
    _sell_package(number, acme, service)
    _use_and_close(number, acme)
    booked(acme, reference=f"TRF {number}")
    proposed(
        Basis(acme), "1", key=f"{number}", kind=AdjustmentKind.CHARGE, reason=f"{number}", now=now_of(number)
    )
    paid = ordered(acme)
    called_back(paid)
    disputed(paid, dispute_id=f"dp_{number}")
    called_back(ordered(acme), amount="90")
    requested(acme, stated(acme, 6 + number))
    ordered(acme)
    imported(row(number + 2, f"{number + 1}", text="acme"), name=f"bank-{number}.csv")
    _write_down(number, acme, service)


@transaction.atomic  # an item on sale has a price when it is committed
def _put_on_sale(number: int, acme: Customer) -> Service:
    begins_at = at(0, hour=_FIRST + number)
    group = ServiceGroup.objects.create(family=f"Family {number}", name=f"group-{number}", position=50)
    service = Service.objects.create(name=f"service-{number}", group=group)
    ServiceAlias.objects.create(alias=f"alias-{number}", service=service)
    for measure in ("input_tokens", "output_tokens"):
        service.billing_items.create(measure=measure)
        price(service.name, measure, "0.01", begins_at=begins_at)
        price(service.name, measure, "0.009", begins_at=begins_at, customer=acme)
        offer = {"kind": Kind.LIMITED_TIME_OFFER, "ends_at": now_of(number) + 5 * DAY}
        price(service.name, measure, "0.008", begins_at=now_of(number) + DAY, **offer)
    for customer in (None, acme):
        CallSpecification.objects.create(
            service=service, customer=customer, rpm=60, tpm=6000, begins_at=begins_at
        )
    return service


def _make_people_and_keys(number: int, acme: Customer) -> None:
    now = now_of(number)
    other = Customer.objects.create(code=f"customer-{number}", name=f"Customer {number}")
    person = User.objects.create_user(f"person-{number}@acme.example")
    for customer in (acme, other):
        Member.objects.create(customer=customer, user=person)
    alice = User.objects.get(email="alice@acme.example")
    Member.objects.create(customer=other, user=alice)
    invite(customer=acme, email=f"guest-{number}@acme.example", role="finance", by=BY, now=now)
    issue_service_key(name=f"gateway-{number}", customers=[acme, other])
    issue_service_key(name=f"own-{number}", scopes=Scope.values, owner=acme)
    key, _ = issue_service_key(name=f"old-{number}", owner=acme)
    revoke_service_key(key=key, now=now)
    Session.objects.create(
        session_key=f"session-{number}",
        user=alice,
        expire_date=now + LASTS,
        signed_in_at=now,
        seen_at=now,
        browser="Firefox",
    )


def _send_webhooks(number: int, acme: Customer) -> None:
    oldest = acme.webhook_endpoints.earliest("pk")
    newest = endpoint(acme, f"http://127.0.0.1/{number}")
    for one in (oldest, newest):
        deliver(one, f"{one.pk} {number}", state=DeliveryState.FAILED)


def _use_and_close(number: int, acme: Customer) -> None:
    hour = _FIRST + number
    used_at = at(20, hour=hour)
    calls = [
        report(
            f"call-{number}-{one}-{call}",
            service=f"service-{one}",
            occurred_at=used_at,
            metadata={"project": f"project-{one}"},
        )
        for one in range(number + 1)
        for call in range(number + 1)
    ]
    plain = report(f"plain-{number}", occurred_at=used_at)
    much = report(f"much-{number}", customer="globex", input_tokens=300_000, occurred_at=used_at)
    record(*calls, plain, much, now=at(21, hour=hour))  # Globex is parked
    ask(acme, 1, 9999, name=f"service-{number}")
    billed = f"plain-{number - 1}" if number else "next"
    reverse_record(customer=acme, event_id=billed, reason="A test.", by=BY, now=at(22, hour=hour))
    close(hour=hour)
    sum_up_closed_hours(now=at(66, hour=hour))
    store_verification(verified=verify_books(), now=at(70, hour=hour))


def _sell_package(number: int, acme: Customer, service: Service) -> None:
    now = at(10, hour=_FIRST + number)
    weight = (service.name, "output_tokens", "2")
    terms = tokens_product(
        f"Package {number}", services=[service.name], groups=[service.group.name], weights=[weight]
    )
    package = buy(acme, terms, now=now)
    refunded = buy(acme, terms, now=now)
    order_refund(package=refunded, by=BY, now=now)
    PackageNotice.objects.create(
        package=package, kind=NoticeKind.EXPIRES_7, created_at=now, mail_after=now, shown_until=now + 90 * DAY
    )


def _write_down(number: int, acme: Customer, service: Service) -> None:
    """Add what staff see of trouble, and what they decide about."""
    now = now_of(number)
    key, _ = issue_service_key(name=f"litellm-{number}")
    in_quarantine(f"quarantined-{number}", key=key)
    RefusedUsage.objects.create(
        hour=THE_HOUR,
        key=key,
        customer=acme,
        reason=RefusalReason.UNKNOWN_SERVICE,
        requests=1,
        records=1,
        last_at=now,
        latest=[],
    )
    UsageArchive.objects.create(
        from_hour=THE_HOUR - (2 + number) * 365 * DAY,
        until_hour=THE_HOUR - (2 + number) * 365 * DAY + DAY,
        records=1,
        file=f"usage-{number}.parquet",
        size=1,
        sha256=bytes(32),
        seal=bytes(32),
        archived_at=now,
    )
    bill = HourlyBill.objects.filter(customer=acme).latest("hour_id")
    draw(QuotaPackage.objects.filter(tokens__gt=0).earliest("pk"), 1, of=bill)
    QuotaOverrun.objects.create(bill=bill, service=service, minute=at(number), tokens=12_000, bought=10_000)
    OpenHourAlarm.objects.create(
        customer=acme,
        hour=at(0, hour=number),
        reason="RMB 9.00 in an hour is more than RMB 1.00.",
        amount=9,
        raised_at=now,
        mail_after=now,
    )
    row = price_row(Price.objects.with_names().latest("pk"))
    Proposal.objects.create(
        deed="End 2 prices now",
        rows=[{"sheet": row.sheet, **cells_of(row)}],
        reason="A test.",
        proposed_by=BY,
        proposed_at=now,
    )
    Rerating.objects.create(
        price=Price.objects.filter(billing_item__service=service, customer=None).earliest("pk"),
        from_hour=at(0, hour=_FIRST + number),
        until_hour=at(60, hour=_FIRST + number),
        unit_price=Decimal("0.02"),
        reason="A test.",
        ordered_by=BY,
        ordered_at=now,
        billing_hour=at(0, hour=_FIRST + number + 1),
    )
