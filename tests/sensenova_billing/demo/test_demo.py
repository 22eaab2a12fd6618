"""The demo plays once, always the same, and leaves bills that show what the product can do."""

import datetime as dt
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from django.conf import settings
from django.db.models import F, Sum
from django.test import Client
from django.utils import timezone

from accounts.api_keys.keys import revoke_service_key
from accounts.models import Customer, Member, MemberRole, ServiceKey, User
from invoices.closing.close import close_due_hours
from invoices.models import ChargeLine, HourlyBill, PackagePurchase, ParkedHour
from pricing.catalogue.offering import catalog_at
from pricing.models import MethodPeriod
from sensenova_billing.demo.accounts import ADMIN, FILE, Demo, play_demo
from sensenova_billing.demo.usage import CAST, CLOCK, HOURS, NEWCOMER, demo_usage
from tests.builders import record, report
from tests.transport import client_with
from usage.billing_hours import hour_of
from usage.ingest.payload import MAX_BATCH
from usage.models import HOUR, BillingHour, UsageRecord

NOON = dt.datetime(2026, 3, 5, 4, tzinfo=dt.UTC)  # in Shanghai


@dataclass(frozen=True)
class Played:
    """A demo that has been played: when, what it showed, and where its file is."""

    now: dt.datetime
    shown: Demo
    directory: Path

    def again(self, *, now: dt.datetime) -> Demo:
        """Play it once more."""
        return play_demo(connect=client_with, directory=self.directory, now=now)


@pytest.fixture(scope="module", autouse=True)
def once(shared_stage: Callable[..., Played], tmp_path_factory: pytest.TempPathFactory) -> Played:
    """The demo is played once for all tests here."""
    now, directory = timezone.now(), tmp_path_factory.mktemp("demo")
    return shared_stage(
        lambda: Played(now, play_demo(connect=client_with, directory=directory, now=now), directory)
    )


@pytest.fixture
def played(once: Played, tmp_path: Path) -> Played:
    """The demo that has been played, with a copy of its file."""
    shutil.copytree(once.directory, tmp_path, dirs_exist_ok=True)
    return replace(once, directory=tmp_path)


def test_the_same_hour_gives_the_same_usage() -> None:
    now = NOON + dt.timedelta(minutes=30)

    assert demo_usage(hour=NOON, now=now) == demo_usage(hour=NOON, now=now)


def test_a_later_start_agrees_on_the_hours_that_both_know() -> None:
    earlier = demo_usage(hour=NOON, now=NOON + dt.timedelta(minutes=30))
    later = demo_usage(hour=NOON + HOUR, now=NOON + dt.timedelta(minutes=90))

    known = {(report.customer, report.event_id): report for report in later}
    first = NOON - HOURS * HOUR + HOUR
    shared = [one for one in earlier if one.occurred_at >= first]
    assert shared == [known[one.customer, one.event_id] for one in shared]
    assert len({one.customer for one in shared}) == 3


def test_the_usage_is_two_days_of_three_customers_up_to_now_and_fits_one_batch() -> None:
    for start in (NOON + hour * HOUR for hour in range(24)):
        now = start + dt.timedelta(minutes=20)

        reports = demo_usage(hour=start, now=now)

        assert 3000 < len(reports) < 8000 < MAX_BATCH, start
        assert max(report.occurred_at for report in reports) <= now
        ended = {(one.customer, hour_of(one.occurred_at)) for one in reports if one.occurred_at < start}
        assert len(ended) == len(CAST) * HOURS, start


def test_a_shop_is_busier_by_day_than_by_night() -> None:
    hours = [
        report.occurred_at.astimezone(CLOCK).hour
        for report in demo_usage(hour=NOON, now=NOON)
        if report.customer == "harbour-books"
    ]

    assert sum(9 <= hour < 17 for hour in hours) > 5 * sum(hour < 7 for hour in hours)


@pytest.mark.django_db
def test_every_closed_hour_has_a_bill_for_each_of_the_three_customers() -> None:
    assert BillingHour.objects.count() >= HOURS - 1
    assert HourlyBill.objects.count() == len(CAST) * BillingHour.objects.count()
    assert not ChargeLine.objects.exclude(usage_hour=F("bill__hour")).exists()


@pytest.mark.django_db
def test_packages_of_a_service_and_a_group_and_one_by_the_day_are_on_sale(played: Played) -> None:
    sold = {(one.product, one.method, len(one.services)) for one in catalog_at(at=played.now).packages}
    assert sold == {
        ("SenseChat-5 500K", "tokens_package", 1),
        ("SenseChat-5 2M", "tokens_package", 1),
        ("SenseChat-5 10M", "tokens_package", 1),
        ("SenseChat-5 100M", "tokens_package", 1),
        ("General 50M", "tokens_package", 5),
        ("SenseChat-5 TPM by day", "tpm_package", 1),
        ("SenseChat-5-Cantonese TPM by day", "tpm_package", 1),
    }


@pytest.mark.django_db
def test_one_customer_is_on_each_method(played: Played) -> None:
    in_force = MethodPeriod.objects.in_force(at=played.now).values_list(
        "customer__code", "service__name", "method"
    )
    assert set(in_force) == {
        ("harbour-books", "SenseChat-5", "tokens_package"),
        ("lantern-radio", "SenseChat-5-Cantonese", "tpm_package"),
    }


@pytest.mark.django_db
def test_every_customer_has_an_owner_and_one_has_a_viewer() -> None:
    owners = Member.objects.filter(role=MemberRole.OWNER).values_list("customer__code", flat=True)
    assert sorted(owners) == sorted([*(one.code for one in CAST), NEWCOMER.code])
    assert [str(one.user) for one in Member.objects.filter(role=MemberRole.VIEWER)] == [
        "tao@harbour-books.example"
    ]


@pytest.mark.django_db
def test_an_hour_of_a_large_trace_is_billed_to_the_newcomer_and_parked_for_another(
    played: Played,
) -> None:
    now = played.now
    codes = (NEWCOMER.code, "harbour-books")
    record(
        *(report("trace", customer=code, occurred_at=now, input_tokens=30_000_000) for code in codes), now=now
    )

    close_due_hours(now=now + 2 * HOUR)

    assert HourlyBill.objects.get(customer__code=NEWCOMER.code).amount > settings.PARK_UNUSUAL_FROM
    assert ParkedHour.objects.get().customer == Customer.objects.get(code="harbour-books")


@pytest.mark.django_db
def test_the_bills_show_trials_offers_list_prices_and_a_negotiated_price() -> None:
    assert _kinds("lantern-radio", "nova-tts-1") == {("free_trial", False)}
    assert _kinds("lantern-radio", "SenseChat-Vision") == {("free_trial", False)}
    assert _kinds("harbour-books", "SenseChat-5") == {("limited_time_offer", False), ("list_price", False)}
    assert _kinds("moonlit-games", "SenseChat-Character-Pro") == {("list_price", True)}


@pytest.mark.django_db
def test_the_second_start_adds_nothing_and_shows_the_same(played: Played) -> None:
    before = _everything()

    assert played.again(now=played.now + HOUR) == played.shown
    assert _everything() == before


@pytest.mark.django_db
def test_everybody_can_sign_in_and_only_the_admin_may_use_the_admin(played: Played) -> None:
    assert ADMIN in {one.email for one in played.shown.sign_ins}
    for one in played.shown.sign_ins:
        assert Client().login(username=one.email, password=one.password)
    assert list(User.objects.filter(is_superuser=True).values_list("email", flat=True)) == [ADMIN]


@pytest.mark.django_db
def test_only_the_owner_may_read_the_file_with_the_sign_ins(once: Played) -> None:
    assert (once.directory / FILE).stat().st_mode & 0o777 == 0o600
    assert [file.name for file in once.directory.iterdir()] == [FILE]


@pytest.mark.django_db
def test_a_changed_password_and_a_revoked_key_are_not_shown(played: Played) -> None:
    admin = User.objects.get(email=ADMIN)
    admin.set_password("another one")
    admin.save()
    revoke_service_key(key=ServiceKey.objects.get(), now=timezone.now())

    demo = played.again(now=timezone.now())

    assert demo.service_key is None
    assert [one.email for one in demo.sign_ins if one.password is None] == [ADMIN]


def _kinds(customer: str, service: str) -> set[tuple[str, bool]]:
    lines = ChargeLine.objects.filter(bill__customer__code=customer, service_name=service)
    return set(lines.values_list("price_kind", "is_own_price"))


def _everything() -> tuple[object, ...]:
    models = (Customer, User, Member, ServiceKey, UsageRecord, HourlyBill, ChargeLine, PackagePurchase)
    return (*(model.objects.count() for model in models), HourlyBill.objects.aggregate(Sum("amount")))
