"""The demo plays once, always the same, and leaves bills that show what the product can do."""

import datetime as dt
from functools import partial
from io import StringIO
from pathlib import Path

import httpx
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db.models import F, Sum
from django.test import Client
from django.utils import timezone

from accounts.api_keys.keys import revoke_service_key
from accounts.models import Customer, Member, MemberRole, ServiceKey, User
from invoices.closing.close import close_due_hours
from invoices.models import ChargeLine, HourlyBill, PackageDraw, PackagePurchase, ParkedHour, QuotaOverrun
from invoices.packages.status import packages_at
from pricing.catalogue.offering import catalog_at
from pricing.models import MethodPeriod
from sensenova_billing.demo.accounts import ADMIN, FILE, play_demo
from sensenova_billing.demo.usage import CAST, CLOCK, HOURS, NEWCOMER, demo_usage
from tests.builders import record, report
from tests.transport import client_with
from usage.billing_hours import hour_of
from usage.ingest.payload import MAX_BATCH
from usage.models import HOUR, BillingHour, UsageRecord
from usage.replay.client import NotAnswered

NOON = dt.datetime(2026, 3, 5, 4, tzinfo=dt.UTC)  # in Shanghai


_play = partial(play_demo, connect=client_with)


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


@pytest.mark.parametrize("hour", range(24))
def test_the_usage_is_two_days_of_three_customers_up_to_now_and_fits_one_batch(hour: int) -> None:
    start = NOON + hour * HOUR
    now = start + dt.timedelta(minutes=20)

    reports = demo_usage(hour=start, now=now)

    assert 3000 < len(reports) < 8000 < MAX_BATCH
    assert max(report.occurred_at for report in reports) <= now
    ended = {(one.customer, hour_of(one.occurred_at)) for one in reports if one.occurred_at < start}
    assert len(ended) == len(CAST) * HOURS


def test_a_shop_is_busier_by_day_than_by_night() -> None:
    hours = [
        report.occurred_at.astimezone(CLOCK).hour
        for report in demo_usage(hour=NOON, now=NOON)
        if report.customer == "harbour-books"
    ]

    assert sum(9 <= hour < 17 for hour in hours) > 5 * sum(hour < 7 for hour in hours)


@pytest.mark.django_db
def test_every_closed_hour_has_a_bill_for_each_of_the_three_customers(tmp_path: Path) -> None:
    _play(directory=tmp_path, now=timezone.now())

    assert BillingHour.objects.count() >= HOURS - 1
    assert HourlyBill.objects.count() == len(CAST) * BillingHour.objects.count()
    assert not ChargeLine.objects.exclude(usage_hour=F("bill__hour")).exists()


@pytest.mark.django_db
def test_packages_of_a_service_and_a_group_and_one_by_the_day_are_on_sale(tmp_path: Path) -> None:
    now = timezone.now()
    _play(directory=tmp_path, now=now)

    sold = {(one.product, one.method, len(one.services)) for one in catalog_at(at=now).packages}
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
def test_one_customer_is_on_each_method(tmp_path: Path) -> None:
    now = timezone.now()
    _play(directory=tmp_path, now=now)

    in_force = MethodPeriod.objects.in_force(at=now).values_list("customer__code", "service__name", "method")
    assert set(in_force) == {
        ("harbour-books", "SenseChat-5", "tokens_package"),
        ("lantern-radio", "SenseChat-5-Cantonese", "tpm_package"),
    }


@pytest.mark.django_db
@pytest.mark.parametrize("hour", range(0, 24, 4))
def test_a_package_has_run_out_within_a_closed_hour_and_another_is_partly_used(
    hour: int, tmp_path: Path
) -> None:
    now = timezone.now() - hour * HOUR
    _play(directory=tmp_path, now=now)

    used = {one.product_name: one for one in packages_at(now).filter(customer__code="harbour-books")}
    ran_out = PackageDraw.objects.get(package=used["SenseChat-5 500K"], left=0).bill
    lines = ran_out.lines.filter(service_name="SenseChat-5")
    assert {line.package_id is None for line in lines if line.quantity} == {True, False}
    assert used["SenseChat-5 500K"].state == "used_up"
    assert 0 < used["SenseChat-5 2M"].used < 2_000_000


@pytest.mark.django_db
@pytest.mark.parametrize("hour", range(0, 24, 4))
def test_a_little_more_than_the_tpm_that_was_bought_is_used(hour: int, tmp_path: Path) -> None:
    _play(directory=tmp_path, now=timezone.now() - hour * HOUR)

    above = [one.tokens - one.bought for one in QuotaOverrun.objects.all()]
    assert 1 <= len(above) <= 4
    assert all(0 < tokens < 20_000 for tokens in above)
    assert not ParkedHour.objects.exists()


@pytest.mark.django_db
def test_every_customer_has_an_owner_and_one_has_a_viewer(tmp_path: Path) -> None:
    _play(directory=tmp_path, now=timezone.now())

    owners = Member.objects.filter(role=MemberRole.OWNER).values_list("customer__code", flat=True)
    assert sorted(owners) == sorted([*(one.code for one in CAST), NEWCOMER.code])
    assert [str(one.user) for one in Member.objects.filter(role=MemberRole.VIEWER)] == [
        "tao@harbour-books.example"
    ]


@pytest.mark.django_db
def test_an_hour_of_a_large_trace_is_billed_to_the_newcomer_and_parked_for_another(
    tmp_path: Path,
) -> None:
    now = timezone.now()
    _play(directory=tmp_path, now=now)
    codes = (NEWCOMER.code, "harbour-books")
    record(
        *(report("trace", customer=code, occurred_at=now, input_tokens=30_000_000) for code in codes), now=now
    )

    close_due_hours(now=now + 2 * HOUR)

    assert HourlyBill.objects.get(customer__code=NEWCOMER.code).amount > settings.PARK_UNUSUAL_FROM
    assert ParkedHour.objects.get().customer == Customer.objects.get(code="harbour-books")


@pytest.mark.django_db
def test_the_bills_show_trials_offers_list_prices_and_a_negotiated_price(tmp_path: Path) -> None:
    _play(directory=tmp_path, now=timezone.now())

    assert _kinds("lantern-radio", "nova-tts-1") == {("free_trial", False)}
    assert _kinds("lantern-radio", "SenseChat-Vision") == {("free_trial", False)}
    assert _kinds("harbour-books", "SenseChat-5") == {("limited_time_offer", False), ("list_price", False)}
    assert _kinds("moonlit-games", "SenseChat-Character-Pro") == {("list_price", True)}


@pytest.mark.django_db
def test_the_second_start_adds_nothing_and_shows_the_same(tmp_path: Path) -> None:
    first = _play(directory=tmp_path, now=timezone.now())
    before = _everything()

    assert _play(directory=tmp_path, now=timezone.now() + HOUR) == first
    assert _everything() == before


@pytest.mark.django_db
def test_a_start_that_did_not_reach_the_server_is_completed_by_the_next(tmp_path: Path) -> None:
    def unreachable(key: str) -> httpx.Client:
        raise NotAnswered("unavailable")

    with pytest.raises(NotAnswered):
        play_demo(connect=unreachable, directory=tmp_path, now=timezone.now())
    people, bought = Member.objects.count(), PackagePurchase.objects.count()
    demo = _play(directory=tmp_path, now=timezone.now())

    assert demo.service_key
    assert demo.sign_ins
    assert all(one.password for one in demo.sign_ins)
    assert (Member.objects.count(), ServiceKey.objects.count()) == (people, 1)
    assert PackagePurchase.objects.count() == bought
    assert UsageRecord.objects.exists()


@pytest.mark.django_db
def test_everybody_can_sign_in_and_only_the_admin_may_use_the_admin(tmp_path: Path) -> None:
    demo = _play(directory=tmp_path, now=timezone.now())

    assert ADMIN in {one.email for one in demo.sign_ins}
    for one in demo.sign_ins:
        assert Client().login(username=one.email, password=one.password)
    assert list(User.objects.filter(is_superuser=True).values_list("email", flat=True)) == [ADMIN]


@pytest.mark.django_db
def test_only_the_owner_may_read_the_file_with_the_sign_ins(tmp_path: Path) -> None:
    _play(directory=tmp_path, now=timezone.now())

    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == [FILE]


@pytest.mark.django_db
def test_a_changed_password_and_a_revoked_key_are_not_shown(tmp_path: Path) -> None:
    _play(directory=tmp_path, now=timezone.now())
    admin = User.objects.get(email=ADMIN)
    admin.set_password("another one")
    admin.save()
    revoke_service_key(key=ServiceKey.objects.get(), now=timezone.now())

    demo = _play(directory=tmp_path, now=timezone.now())

    assert demo.service_key is None
    assert [one.email for one in demo.sign_ins if one.password is None] == [ADMIN]


@pytest.mark.django_db(transaction=True)
def test_the_command_plays_against_a_running_server_and_prints_the_sign_ins(
    live_server: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENSENOVA_DATA_DIR", str(tmp_path))
    out = StringIO()

    call_command("demo", url=f"{live_server}", stdout=out)

    assert all(one.email in out.getvalue() for one in CAST)
    assert f"curl {live_server}/api/v1/usage -H 'Authorization: Bearer sk_live_" in out.getvalue()


@pytest.mark.django_db
def test_the_command_refuses_an_address_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSENOVA_DATA_DIR", str(tmp_path))

    with pytest.raises(CommandError, match="not an http or https address"):
        call_command("demo", url="nowhere")


def _kinds(customer: str, service: str) -> set[tuple[str, bool]]:
    lines = ChargeLine.objects.filter(bill__customer__code=customer, service_name=service)
    return set(lines.values_list("price_kind", "is_own_price"))


def _everything() -> tuple[object, ...]:
    models = (Customer, User, Member, ServiceKey, UsageRecord, HourlyBill, ChargeLine, PackagePurchase)
    return (*(model.objects.count() for model in models), HourlyBill.objects.aggregate(Sum("amount")))
