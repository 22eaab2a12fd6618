"""The demo: four customers, their people and packages, an admin, and two days of usage with the bills.

The usage goes through the HTTP API in one batch, which is stored whole or not at all. So the clock can never
close an hour of which only a part has arrived, and a demo that was interrupted starts again from nothing.
Passwords and the service key are random; a file in the data directory that only its owner may read
holds them, so that every start can show them.
"""

import datetime as dt
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import httpx
import msgspec
from django.db import transaction

from accounts.api_keys.keys import issue_service_key, recognise_service_key
from accounts.audit.context import audit_context, set_audit_context
from accounts.models import Customer, Member, MemberRole, Scope, User
from invoices.closing.close import close_due_hours
from pricing.catalogue.initial import load_catalogue
from pricing.models import BillingItem, Price, Service
from pricing.rules.measures import Measure
from sensenova_billing.demo.packages import buy_packages, sell_packages
from sensenova_billing.demo.usage import CAST, HOURS, NEWCOMER, demo_usage
from usage.billing_hours import database_now, hour_of
from usage.models import HOUR, UsageRecord
from usage.replay.client import send_batch

ADMIN = "admin@sensenova.example"
DEMO = "demo"  # signs what it sets up, and is the name of its key
FILE = "demo-sign-ins.json"
OWN_PRICE_FOR = "moonlit-games"
OWN_PRICE_OF = "SenseChat-Character-Pro"
OWN_PRICE = Decimal("0.012")  # a fifth below the list price of 0.015
CACHED_PRICE_OF = "SenseChat-128K"
CACHED_PRICE = Decimal("0.015")  # a quarter of the list price of 0.06


class StoredSignIns(msgspec.Struct):
    """The content of the file: each person's password by e-mail address, and the service key in full."""

    passwords: dict[str, str] = {}
    service_key: str = ""


@dataclass(frozen=True)
class SignIn:
    """How one person signs in; no password where it is not the demo's any more."""

    what: str
    email: str
    password: str | None


@dataclass(frozen=True)
class Demo:
    """The sign-ins and the service key to look around with; no key where the demo's is not live any more."""

    sign_ins: list[SignIn]
    service_key: str | None


def play_demo(*, connect: Callable[[str], httpx.Client], directory: Path, now: dt.datetime) -> Demo:
    """Set the demo up unless it was before, and return its sign-ins; raise Refused or NotAnswered."""
    if not _is_played():
        with audit_context(by=DEMO):
            load_catalogue()
        key = _set_the_stage(directory=directory, now=now)
        with connect(key) as client:
            send_batch(client=client, reports=demo_usage(hour=hour_of(now), now=now))
        close_due_hours(now=database_now())
    return _show(stored=_read(directory), now=now)


def _is_played() -> bool:
    return UsageRecord.objects.filter(
        customer_id__in=Customer.objects.filter(code__in=[one.code for one in CAST]).values("id"),
        event_id__startswith="demo-",
    ).exists()


@transaction.atomic
def _set_the_stage(*, directory: Path, now: dt.datetime) -> str:
    set_audit_context(by=DEMO)
    stored = _read(directory)
    for one in (*CAST, NEWCOMER):
        customer, _ = Customer.objects.get_or_create(code=one.code, defaults={"name": one.name})
        for email, role in ((one.email, MemberRole.OWNER), (one.viewer, MemberRole.VIEWER)):
            if email:
                person = _person(email, stored)
                Member.objects.get_or_create(customer=customer, user=person, defaults={"role": role})
    _person(ADMIN, stored, is_staff=True, is_superuser=True)
    _negotiate(now=now)
    _sell_cached_input(now=now)
    if recognise_service_key(text=stored.service_key, now=now) is None:
        _, stored.service_key = issue_service_key(name=DEMO, scopes=[Scope.USAGE_WRITE, Scope.CALLS_ADMIT])
    sell_packages(begins_at=hour_of(now) - HOURS * HOUR, by=DEMO, now=now)
    buy_packages(hour=hour_of(now), by=DEMO)
    # Before the commit: what the database knows must not be lost.
    _store(directory, stored)
    return stored.service_key


def _person(email: str, stored: StoredSignIns, **permissions: bool) -> User:
    user = User.objects.filter(email__iexact=email).first()
    if user is None:
        stored.passwords[email] = secrets.token_hex(8)
        user = User.objects.create_user(email, stored.passwords[email], **permissions)
    return user


def _negotiate(*, now: dt.datetime) -> None:
    customer = Customer.objects.get(code=OWN_PRICE_FOR)
    for item in BillingItem.objects.filter(service__name=OWN_PRICE_OF):
        Price.objects.get_or_create(
            billing_item=item,
            customer=customer,
            defaults={"unit_price": OWN_PRICE, "begins_at": hour_of(now) - HOURS * HOUR},
        )


def _sell_cached_input(*, now: dt.datetime) -> None:
    """Sell cached input at a price of its own, which the price page does not have yet."""
    item, is_new = BillingItem.objects.get_or_create(
        service=Service.objects.get(name=CACHED_PRICE_OF), measure=Measure.CACHED_INPUT_TOKENS
    )
    if is_new:
        begins_at = hour_of(now) - HOURS * HOUR
        Price.objects.create(billing_item=item, unit_price=CACHED_PRICE, begins_at=begins_at)


def _show(*, stored: StoredSignIns, now: dt.datetime) -> Demo:
    cast = (*CAST, NEWCOMER)
    people = [
        *((one.code, one.email) for one in cast),
        *((f"{one.code}, viewer", one.viewer) for one in cast if one.viewer),
        ("admin", ADMIN),
    ]
    is_live = recognise_service_key(text=stored.service_key, now=now) is not None
    return Demo(
        sign_ins=[SignIn(what, email, _valid_password(email, stored)) for what, email in people],
        service_key=stored.service_key if is_live else None,
    )


def _valid_password(email: str, stored: StoredSignIns) -> str | None:
    password = stored.passwords.get(email)
    user = User.objects.filter(email__iexact=email, is_active=True).first()
    return password if user and password and user.check_password(password) else None


def _read(directory: Path) -> StoredSignIns:
    try:
        return msgspec.json.decode((directory / FILE).read_bytes(), type=StoredSignIns)
    except FileNotFoundError:
        return StoredSignIns()


def _store(directory: Path, stored: StoredSignIns) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    # Written beside and renamed, so that a crash leaves the old file or the new one.
    unfinished = directory / f"{FILE}.unfinished"
    unfinished.unlink(missing_ok=True)
    opened = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(opened, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(stored)))
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(directory / FILE)
