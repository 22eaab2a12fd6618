"""The same product is bought again when a package ends, once, and without an hour between them."""

import datetime as dt
from decimal import Decimal

import pytest
from django.core import mail

from accounts.models import AuditEntry, Customer
from invoices.models import ChargeLine, PackageNotice, PackagePurchase, PackageRenewal
from invoices.packages.after_sale.renewal import RenewalRefused, switch_renewal
from invoices.packages.after_sale.sweep import sweep_packages
from invoices.tasks import close_due_hours
from pricing.models import MethodPeriod, PackageTerms
from tests.builders import at, close, record, report
from tests.invoices.browsing import text
from tests.packages import bill, buy, tokens_product, tpm_product

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
ALICE = "alice@acme.example"
OPERATOR = "operator@sensenova.example"


def renewed(customer, terms=None, **order):
    """A package of the customer whose renewal Alice has switched on."""
    package = buy(customer, terms, **order)
    switch_renewal(package=package, is_on=True, by=ALICE, now=package.bought_at)
    return package


def latest(customer):
    """The package that the customer bought last."""
    return customer.quota_packages.latest("id")


# --- When, and what --------------------------------------------------------------------------------


def test_a_package_is_renewed_in_its_last_hour_and_the_next_begins_with_its_expiry(acme):
    package = renewed(acme)

    swept = [
        sweep_packages(now=package.expires_at - HOUR + dt.timedelta(minutes=n)).renewed for n in (-1, 0, 1)
    ]

    following = latest(acme)
    assert swept == [0, 1, 0]
    assert (following.begins_at, following.bought_at) == (package.expires_at, package.expires_at - HOUR)
    assert following.purchase.bought_by == ALICE
    assert following.renews.package == package


def test_a_tpm_package_is_renewed_with_as_many_units_for_as_long(acme):
    package = renewed(acme, tpm_product(), units=3, periods=7)

    sweep_packages(now=package.expires_at - HOUR)

    following = latest(acme)
    assert (following.units, following.begins_at) == (3, package.expires_at)
    assert following.expires_at - following.begins_at == 7 * DAY
    assert following.purchase.amount == 2100


def test_the_price_in_force_counts(acme):
    terms = tokens_product()
    package = renewed(acme, terms)
    PackageTerms.objects.filter(pk=terms.pk).update(ends_at=at(0) + 24 * HOUR)
    later = PackageTerms.objects.create(
        product=terms.product, tokens=2_000_000, list_price=Decimal(45), begins_at=at(0) + 24 * HOUR
    )
    later.services.set(terms.services.all())

    sweep_packages(now=package.expires_at - HOUR)

    assert (latest(acme).tokens, latest(acme).purchase.amount) == (2_000_000, 45)


def test_a_package_that_is_used_up_is_renewed_from_the_next_hour_on(acme, alice):
    package = renewed(acme, tokens_product(tokens=1_000))
    record(report(occurred_at=at(40)))
    close()

    sweep_packages(now=at(66))

    following = latest(acme)
    assert MethodPeriod.objects.get(package=package).ends_at == following.begins_at == at(60)
    assert any("is in force from" in sent.body for sent in mail.outbox)


def test_after_an_outage_packages_are_renewed_before_hours_are_closed(acme, monkeypatch):
    package = renewed(acme, tokens_product(validity=1), now=at(30) - DAY)
    record(report(occurred_at=at(10, hour=-1)), now=at(11, hour=-1))

    close_due_hours()

    assert latest(acme).begins_at == package.expires_at


def test_a_package_that_an_hour_before_its_last_one_uses_up_is_renewed_from_the_next_hour_on(acme):
    terms = tokens_product(tokens=1_000, validity=1, validity_unit="day")
    package = renewed(acme, terms, now=at(30, hour=-23))
    assert package.expires_at == at(60)
    record(report(occurred_at=at(10, hour=-1)), now=at(11, hour=-1))

    before = sweep_packages(now=at(2)).renewed
    close(hour=-1)
    sweep_packages(now=at(6))

    assert (before, latest(acme).begins_at) == (0, at(0))


def test_after_an_outage_no_hour_is_closed_before_what_the_last_one_used_up_is_renewed(acme):
    renewed(acme, tokens_product(tokens=1_500), now=at(30, hour=-2))
    for hour in (-2, -1, 0):
        record(report(f"call{hour}", occurred_at=at(40, hour=hour)), now=at(41, hour=hour))

    close_due_hours()

    assert [package.begins_at for package in acme.quota_packages.order_by("id")[:3]] == [
        at(0, hour=-2),
        at(0, hour=-1),
        at(0),
    ]
    assert not ChargeLine.objects.filter(package=None).exists()


def test_where_its_first_hour_is_closed_the_next_begins_in_the_earliest_open_one(acme):
    package = renewed(acme, tokens_product(validity=1), now=at(30) - DAY)
    bill(acme)

    sweep_packages(now=at(70))

    assert package.expires_at == at(0)
    assert latest(acme).begins_at == at(60)


def test_the_next_package_is_renewed_as_well_until_it_is_switched_off(acme):
    first = renewed(acme)
    sweep_packages(now=first.expires_at - HOUR)
    second = latest(acme)
    switch_renewal(package=second, is_on=False, by=OPERATOR, now=first.expires_at)

    sweep_packages(now=second.expires_at - HOUR)

    assert acme.quota_packages.count() == 2


def test_of_two_that_are_in_each_others_way_the_one_that_expired_sooner_is_renewed(acme):
    first = buy(acme, tokens_product(validity=1, validity_unit="day"), now=at(30) - 3 * DAY)
    second = buy(acme, tpm_product(), units=1, periods=1, now=at(30) - 3 * DAY)
    assert second.begins_at == first.expires_at
    for package in (second, first):
        switch_renewal(package=package, is_on=True, by=ALICE, now=at(31) - 3 * DAY)
    bill(acme)

    sweep_packages(now=at(70))

    assert PackageRenewal.objects.get(package=first).renewed_by == latest(acme)
    assert PackageRenewal.objects.get(package=second).refused_at == at(70)


def test_without_an_order_nothing_is_bought(acme):
    package = buy(acme)
    switch_renewal(package=package, is_on=False, by=ALICE, now=at(31))

    sweep_packages(now=package.expires_at - HOUR)

    assert acme.quota_packages.count() == 1


def test_a_package_that_was_used_up_and_renewed_is_not_renewed_at_its_expiry_again(acme):
    package = renewed(acme, tokens_product(tokens=1_000))
    record(report(occurred_at=at(40)))
    close()

    for now in (at(66), package.expires_at - HOUR):
        sweep_packages(now=now)

    assert acme.quota_packages.count() == 2


# --- Where it cannot be ----------------------------------------------------------------------------


def end_sale(customer):
    """The product is not on sale any more."""
    PackageTerms.objects.update(ends_at=at(0) + 24 * HOUR)


def suspend(customer):
    """The customer may buy nothing."""
    Customer.objects.filter(pk=customer.pk).update(is_suspended=True)


def buy_the_other_method(customer):
    """A TPM package begins where the package expires."""
    buy(customer, tpm_product(), units=1, periods=1)


@pytest.mark.parametrize(
    ("hindrance", "said"),
    [
        (end_sale, "SenseChat-5 1M is not on sale any more."),
        (suspend, "Acme Ltd is suspended and cannot buy packages."),
        (buy_the_other_method, "Another billing method is in force or scheduled for what it covers."),
    ],
)
def test_where_it_cannot_be_renewed_a_notice_says_why_and_nothing_is_bought(acme, alice, hindrance, said):
    package = renewed(acme)
    hindrance(acme)
    before = PackagePurchase.objects.count()

    for minutes in (60, 30):
        sweep_packages(now=package.expires_at - dt.timedelta(minutes=minutes))

    assert PackagePurchase.objects.count() == before
    assert PackageRenewal.objects.get(package=package).refused_because == said
    assert PackageNotice.objects.filter(kind="not_renewed").count() == 1
    assert any(f"nothing was bought: {said}" in sent.body for sent in mail.outbox)


def test_a_renewal_that_was_carried_out_and_a_package_that_has_ended_are_left_alone(acme):
    package = renewed(acme)
    over = buy(acme, PackageTerms.objects.get(), now=at(31))
    sweep_packages(now=package.expires_at - HOUR)

    with pytest.raises(RenewalRefused, match="carried out already"):
        switch_renewal(package=package, is_on=False, by=ALICE, now=package.expires_at - HOUR)
    with pytest.raises(RenewalRefused, match="has ended"):
        switch_renewal(package=over, is_on=True, by=ALICE, now=over.expires_at)


# --- On pages --------------------------------------------------------------------------------------


def test_an_owner_switches_the_renewal_and_the_page_says_what_it_costs(alice_client, acme):
    package = buy(acme)
    path = f"/packages/{package.number}"

    before = text(alice_client.get(path))
    on = text(alice_client.post(f"{path}/renewal", {"renewal": "on"}, follow=True))
    off = text(alice_client.post(f"{path}/renewal", {"renewal": "off"}, follow=True))

    assert "Renew it when it ends, now for RMB 30.00" in before
    assert "the same product is bought again" in on
    assert "The price in force then counts; now it is RMB 30.00" in on
    assert "Switched on by alice@acme.example" in on
    assert "Renewal off" in off


def test_who_switched_it_is_in_the_audit_trail(acme):
    renewed(acme)

    [entry] = AuditEntry.objects.filter(table="invoices_packagerenewal")
    assert (entry.by, entry.reason) == (ALICE, "Switched the renewal on.")
    assert entry.after
    assert entry.after["is_on"]


def test_a_viewer_sees_the_renewal_and_does_not_switch_it(alice_views, alice_client, acme):
    package = buy(acme)
    path = f"/packages/{package.number}"

    page, answer = alice_client.get(path), alice_client.post(f"{path}/renewal", {"renewal": "on"})

    assert "Renewal off" in text(page)
    assert "Renew it" not in text(page)
    assert (answer.status_code, PackageRenewal.objects.count()) == (403, 0)


def test_another_customer_does_not_switch_it(bob_client, acme):
    package = buy(acme)

    answer = bob_client.post(f"/packages/{package.number}/renewal", {"renewal": "on"})

    assert (answer.status_code, PackageRenewal.objects.count()) == (404, 0)


@pytest.mark.parametrize("sent", [{}, {"renewal": "maybe"}])
def test_what_is_no_decision_changes_nothing(alice_client, acme, sent):
    package = buy(acme)

    answer = alice_client.post(f"/packages/{package.number}/renewal", sent)

    assert (answer.status_code, PackageRenewal.objects.count()) == (400, 0)


def test_a_renewal_that_is_past_is_refused_on_the_page(alice_client, acme, clock):
    package = buy(acme)
    clock(package.expires_at)

    answer = alice_client.post(f"/packages/{package.number}/renewal", {"renewal": "on"}, follow=True)

    assert "Nothing was changed. This package has ended" in text(answer)


def test_an_admin_switches_the_renewal(operator_client, acme):
    package = buy(acme)
    path = f"/admin/pricing/quotapackage/{package.pk}"

    before = text(operator_client.get(f"{path}/renewal/"))
    after = text(operator_client.post(f"{path}/renewal/", {"renewal": "on"}, follow=True))

    assert "now for 30.00 RMB" in before
    assert f"on, by {OPERATOR}" in after
