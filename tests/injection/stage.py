"""Acme, with payloads in every name and text that a person or a service can set."""

import datetime as dt
from itertools import cycle
from uuid import uuid4

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from accounts.api_keys.keys import issue_service_key
from accounts.audit.context import audit_context
from accounts.models import (
    Customer,
    DeliveryState,
    Invitation,
    Member,
    MemberRole,
    Scope,
    Session,
    User,
    WebhookEndpoint,
)
from accounts.people.invitations import LASTS
from invoices.adjustments.basis import Basis
from invoices.corrections.rerate import order_rerating
from invoices.models import AdjustmentKind, NoticeKind, PackageNotice, TransactionKind
from invoices.payments.review import review_callback
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
from tests.builders import at, close, price, record, report
from tests.injection.payloads import PAYLOADS, packed
from tests.invoices.adjustments.builders import proposed
from tests.invoices.bank_import.builders import imported, row
from tests.invoices.budgets.builders import budget
from tests.invoices.einvoices.builders import keep_einvoices
from tests.invoices.payments.builders import called_back, disputed, ordered
from tests.invoices.statements.builders import LATER, booked, issue_statement
from tests.packages import buy, tokens_product
from tests.translations.test_pages import deliver
from tests.usage.quarantine.builders import in_quarantine
from usage.ingest.reversals import reverse_record

BY = "operator@sensenova.example"
LONG_AGO = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
NAMES = packed(100)
LONG_NAMES = packed(200)
VALUES = packed(245)
KEYS = packed(64)
REASONS = packed(500)
# The page of all usage, by a value of its metadata.
_SPAN = f"from={at(0):%Y-%m-%d}&to={at(0) + dt.timedelta(days=2):%Y-%m-%d}"
USAGE = f"/customers/acme/usage?by=project&width=hour&{_SPAN}"
EVENT_IDS = [f"{value} {n}" for n, value in zip(range(len(NAMES)), cycle(VALUES), strict=False)]
NOW = at(40, hour=len(LONG_NAMES) + 1)


def set_everything(acme: Customer, alice: User) -> None:
    """Put the payloads everywhere; each of some kinds of name holds several."""
    services = [_service(name) for name in NAMES]
    _name_people(acme, alice)
    _use(acme, services)
    _correct(acme)
    _send_webhooks(acme)
    _sell_packages(acme, services)
    _propose()
    _settle(acme)
    for service in services:
        budget(acme, "0.01", service=service, period="month", now=NOW)
    for value in VALUES:
        budget(acme, "0.01", metadata_name="project", metadata_value=value, period="day", now=NOW)


def name_customer(acme: Customer, text: str) -> None:
    """Give this name to all that a customer has but one of."""
    Customer.objects.filter(pk=acme.pk).update(name=text, legal_name=text, tax_id=text[:50], address=text)
    acme.refresh_from_db()


def _settle(acme: Customer) -> None:
    """A statement that names the customer, and transactions with references and reasons."""
    Customer.objects.filter(pk=acme.pk).update(legal_name=NAMES[0])
    keep_einvoices(acme, issue_statement(acme), NAMES)
    payment = ordered(acme)
    for name in NAMES:
        disputed(payment, dispute_id=name[:255], reason=name[:100], event=str(uuid4()))
        called_back(payment, amount="90")
        review_callback(callback=payment.callbacks.latest("pk"), text=name[:500], by=name[:254], now=LATER)
        booked(acme, TransactionKind.CHARGE, "1", reference=name[:200], reason=name[:500])
        proposed(Basis(acme), "1", key=name, kind=AdjustmentKind.CHARGE, reason=name[:500], now=LATER)
        imported(row(text=name), choices={2: "acme"}, name=name[:200])


@transaction.atomic  # an item on sale has a price when it is committed
def _service(name: str) -> Service:
    group = ServiceGroup.objects.create(family=name, name=name, description=name, position=50)
    service = Service.objects.create(name=name, group=group)
    service.billing_items.create(measure="input_tokens")
    price(name, "input_tokens", "0.01", begins_at=LONG_AGO)
    CallSpecification.objects.create(service=service, rpm=60, tpm=6000, begins_at=LONG_AGO)
    return service


def _name_people(acme: Customer, alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(name=NAMES[0])
    addresses = _addresses()
    for n, name in enumerate(NAMES):
        issue_service_key(name=name, scopes=Scope.values, owner=acme, public_id=f"payload{n:05}")
        colleague = User.objects.create_user(next(addresses), name=name)
        Member.objects.create(customer=acme, user=colleague, role=MemberRole.OWNER)
        Invitation.objects.create(
            customer=acme,
            email=next(addresses),
            role=MemberRole.FINANCE,
            invited_by=name,
            invited_at=NOW,
            expires_at=NOW + LASTS,
            mail_after=NOW,
        )
    for n, browser in enumerate(LONG_NAMES):
        Session.objects.create(
            session_key=f"payload{n}",
            user=alice,
            expire_date=NOW + LASTS,
            signed_in_at=NOW,
            seen_at=NOW,
            browser=browser,
        )


def _send_webhooks(acme: Customer) -> None:
    for url, answer in zip(LONG_NAMES, cycle(REASONS), strict=False):
        made = WebhookEndpoint.objects.create(
            customer=acme, url=url, kinds=[], secret="whsec_x", created_at=NOW
        )
        deliver(made, url, state=DeliveryState.FAILED, answer=answer)


def _addresses():
    """Addresses with a payload within quotation marks, as far as an address may hold it."""
    numbers = iter(range(1000))
    for payload in cycle(PAYLOADS):
        address = f'"{payload}{next(numbers)}"@acme.example'
        try:
            validate_email(address)
        except ValidationError:
            continue
        yield address


def _use(acme: Customer, services: list[Service]) -> None:
    """Use each service in some hour, and close every hour under another name of the customer."""
    metadata = cycle(zip(KEYS, cycle(VALUES), strict=False))
    for n, (service, event_id) in enumerate(zip(services, EVENT_IDS, strict=True)):
        for alias in VALUES[n : n + 1]:
            ServiceAlias.objects.create(alias=alias, service=service)
        hour = n % len(LONG_NAMES)
        used = report(
            event_id,
            service=service.name,
            output_tokens=0,
            occurred_at=at(10, hour=hour),
            metadata=dict(next(metadata) for _ in range(3)) | {"project": VALUES[n % len(VALUES)]},
        )
        record(used, now=at(11, hour=hour))
    for hour, name in enumerate(LONG_NAMES):
        name_customer(acme, name)
        close(hour=hour)
    sum_up_closed_hours(now=at(50, hour=len(LONG_NAMES) - 1))
    in_quarantine(VALUES[0], service=NAMES[0], customer=NAMES[1], metadata={KEYS[0]: VALUES[0]})


def _correct(acme: Customer) -> None:
    later = at(30, hour=len(LONG_NAMES))
    for n, reason in enumerate(REASONS):
        reverse_record(customer=acme, event_id=EVENT_IDS[n], reason=reason, by=BY, now=later)
        order_rerating(
            price=Price.objects.get(billing_item__service__name=NAMES[n + 5]),
            from_hour=at(0),
            until_hour=at(0, hour=len(LONG_NAMES)),
            unit_price=Price.objects.latest("pk").unit_price * 2,
            reason=reason,
            by=BY,
            now=later,
        )
    close(hour=len(LONG_NAMES))


def _sell_packages(acme: Customer, services: list[Service]) -> None:
    for name, service in zip(NAMES, services, strict=True):
        buy(acme, tokens_product(name, services=[service.name], groups=[name]), now=NOW, by=name)
    for package in QuotaPackage.objects.all():
        PackageNotice.objects.create(
            package=package,
            kind=NoticeKind.values[0],
            created_at=NOW,
            mail_after=NOW,
            shown_until=NOW + LASTS,
        )


def _propose() -> None:
    row = price_row(Price.objects.with_names().latest("pk"))
    for reason, deed in zip(REASONS, LONG_NAMES, strict=False):
        with audit_context(by=NAMES[0], reason=reason):
            Proposal.objects.create(
                deed=deed,
                rows=[{"sheet": row.sheet, **cells_of(row)}],
                reason=reason,
                proposed_by=NAMES[0],
                proposed_at=NOW,
            )
            CallSpecification.objects.create(
                customer=Customer.objects.get(code="acme"),
                service=Service.objects.get(name=NAMES[len(reason) % len(NAMES)]),
                rpm=5,
                begins_at=NOW,
            )
