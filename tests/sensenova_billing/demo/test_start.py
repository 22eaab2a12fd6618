"""A start of the demo at any hour, one that fails, and the command."""

from io import StringIO
from pathlib import Path

import httpx
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import Member, ServiceKey
from invoices.models import PackageDraw, PackagePurchase, ParkedHour, QuotaOverrun
from invoices.packages.status import packages_at
from sensenova_billing.demo.accounts import play_demo
from sensenova_billing.demo.usage import CAST
from tests.transport import client_with
from usage.models import HOUR, UsageRecord
from usage.replay.client import NotAnswered


@pytest.mark.django_db
@pytest.mark.parametrize("hour", range(0, 24, 4))
def test_a_package_runs_out_another_is_partly_used_and_a_little_more_than_the_tpm_is_used(
    hour: int, tmp_path: Path
) -> None:
    now = timezone.now() - hour * HOUR
    play_demo(connect=client_with, directory=tmp_path, now=now)

    used = {one.product_name: one for one in packages_at(now).filter(customer__code="harbour-books")}
    ran_out = PackageDraw.objects.get(package=used["SenseChat-5 500K"], left=0).bill
    lines = ran_out.lines.filter(service_name="SenseChat-5")
    assert {line.package_id is None for line in lines if line.quantity} == {True, False}
    assert used["SenseChat-5 500K"].state == "used_up"
    assert 0 < used["SenseChat-5 2M"].used < 2_000_000
    above = [one.tokens - one.bought for one in QuotaOverrun.objects.all()]
    assert 1 <= len(above) <= 4
    assert all(0 < tokens < 20_000 for tokens in above)
    assert not ParkedHour.objects.exists()


@pytest.mark.django_db
def test_a_start_that_did_not_reach_the_server_is_completed_by_the_next(tmp_path: Path) -> None:
    def unreachable(key: str) -> httpx.Client:
        raise NotAnswered("unavailable")

    with pytest.raises(NotAnswered):
        play_demo(connect=unreachable, directory=tmp_path, now=timezone.now())
    people, bought = Member.objects.count(), PackagePurchase.objects.count()
    demo = play_demo(connect=client_with, directory=tmp_path, now=timezone.now())

    assert demo.service_key
    assert demo.sign_ins
    assert all(one.password for one in demo.sign_ins)
    assert (Member.objects.count(), ServiceKey.objects.count()) == (people, 1)
    assert PackagePurchase.objects.count() == bought
    assert UsageRecord.objects.exists()


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
