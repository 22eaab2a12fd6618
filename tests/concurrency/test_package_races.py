"""Purchases that meet each other, and closings: as if one came after the other."""

import threading
from contextlib import contextmanager
from uuid import UUID

import pytest
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from accounts.models import Customer
from invoices.closing import close as closing
from invoices.models import ChargeLine, PackagePurchase
from invoices.packages.purchase import PlanChanged, buy_package
from pricing.models import MethodPeriod, PackageTerms, QuotaPackage
from tests.builders import THE_HOUR, at, close, record, report
from tests.concurrency.threads import PATIENCE, together, wait_until_waiting
from tests.packages import tokens_product, tpm_product
from usage.billing_hours import lock_hour_for_closing, lock_hours_for_ingest
from usage.models import BillingHour

pytestmark = pytest.mark.django_db(transaction=True)

ORDER, OTHER_ORDER = UUID(int=1), UUID(int=2)
TOKENS, TPM = "SenseChat-5 1M", "SenseChat-5 TPM"


def order(product, order_id, **choice):
    """Buy Acme's package of this product in THE_HOUR."""
    if product == TPM:
        choice |= {"units": 1}
    return buy_package(
        customer=Customer.objects.get(code="acme"),
        terms=PackageTerms.objects.get(product__name=product),
        order_id=order_id,
        by="alice@acme.example",
        now=at(30),
        **choice,
    )


@pytest.fixture
def on_sale(acme, unbounded):
    """Both kinds of packages, and a call in THE_HOUR before any is bought."""
    tokens_product(TOKENS)
    tpm_product(TPM)
    record(report())


@contextmanager
def on_its_way(threads, deed):
    """Do the deed in a transaction that stays open until this block ends."""
    done, finish = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            made = deed()
            done.set()
            assert finish.wait(PATIENCE)
            return made

    holding = threads.start(hold)
    assert done.wait(PATIENCE)
    try:
        yield holding
    finally:
        finish.set()
    holding.result(PATIENCE)


@contextmanager
def a_closing_on_its_way():
    """Hold THE_HOUR as a closing does that has not committed yet."""
    with transaction.atomic():
        lock_hour_for_closing(THE_HOUR)
        BillingHour.objects.create(hour=THE_HOUR, closed_at=at(65))
        yield


def no_lock_on_the_customer(monkeypatch):
    """Let purchases of a customer pass each other."""
    monkeypatch.setattr(QuerySet, "select_for_update", lambda rows, **_: rows)


# --- Two purchases ---------------------------------------------------------------------------------


def test_of_two_methods_bought_at_once_the_second_waits_for_the_end_of_the_first(on_sale):
    with together() as threads:
        with on_its_way(threads, lambda: order(TOKENS, ORDER)) as first:
            second = threads.start(lambda: order(TPM, OTHER_ORDER))
            wait_until_waiting(1, locktype="transactionid")
        tokens, tpm = first.result(PATIENCE).package, second.result(PATIENCE).package

    assert (tokens.begins_at, tpm.begins_at) == (THE_HOUR, tokens.expires_at)


def test_without_the_lock_on_the_customer_the_second_would_fail(on_sale, monkeypatch):
    """The control: the second does not see the first, and only a constraint keeps the methods apart."""
    no_lock_on_the_customer(monkeypatch)

    with together() as threads:
        with on_its_way(threads, lambda: order(TOKENS, ORDER)):
            second = threads.start(lambda: order(TPM, OTHER_ORDER))
            wait_until_waiting(1, locktype="transactionid")
        with pytest.raises(IntegrityError):
            second.result(PATIENCE)

    assert [period.method for period in MethodPeriod.objects.all()] == ["tokens_package"]


def test_the_same_order_sent_twice_at_once_is_one_purchase(on_sale):
    with together() as threads:
        with on_its_way(threads, lambda: order(TOKENS, ORDER)) as first:
            second = threads.start(lambda: order(TOKENS, ORDER))
            wait_until_waiting(1, locktype="transactionid")
        assert first.result(PATIENCE) == second.result(PATIENCE)

    assert (PackagePurchase.objects.count(), QuotaPackage.objects.count()) == (1, 1)


def test_without_the_lock_on_the_customer_the_same_order_would_fail(on_sale, monkeypatch):
    """The control."""
    no_lock_on_the_customer(monkeypatch)

    with together() as threads:
        with on_its_way(threads, lambda: order(TOKENS, ORDER)):
            second = threads.start(lambda: order(TOKENS, ORDER))
            wait_until_waiting(1, locktype="transactionid")
        with pytest.raises(IntegrityError):
            second.result(PATIENCE)

    assert PackagePurchase.objects.count() == 1


def test_a_second_purchase_of_what_was_shown_before_the_first_is_refused(on_sale):
    with together() as threads:
        with on_its_way(threads, lambda: order(TOKENS, ORDER)):
            second = threads.start(lambda: order(TPM, OTHER_ORDER, begins_at=at(60)))
            wait_until_waiting(1, locktype="transactionid")
        with pytest.raises(PlanChanged):
            second.result(PATIENCE)

    assert QuotaPackage.objects.count() == 1


# --- A purchase and a closing ----------------------------------------------------------------------


def test_a_purchase_on_its_way_while_its_hour_closes_covers_that_hour(on_sale):
    with together() as threads:
        with on_its_way(threads, lambda: order(TOKENS, ORDER)) as buying:
            closing_it = threads.start(close)
            wait_until_waiting(1)
            assert not closing_it.done()
        closing_it.result(PATIENCE)
        package = buying.result(PATIENCE).package

    assert {line.package_id for line in ChargeLine.objects.all()} == {package.pk}
    assert [draw.tokens for draw in package.draws.all()] == [1500]


def test_without_the_barrier_the_hour_would_be_closed_without_it(on_sale, monkeypatch):
    """The control: the package begins in the hour, which was charged all the same."""
    monkeypatch.setattr(closing, "lock_hour_for_closing", lambda hour: None)

    with together() as threads, on_its_way(threads, lambda: order(TOKENS, ORDER)):
        threads.start(close).result(PATIENCE)

    assert QuotaPackage.objects.get().begins_at == THE_HOUR
    assert {line.package_id for line in ChargeLine.objects.all()} == {None}


def test_a_purchase_that_comes_while_its_hour_closes_begins_with_the_next(on_sale):
    with together() as threads:
        with a_closing_on_its_way():
            buying = threads.start(lambda: order(TOKENS, ORDER))
            wait_until_waiting(1)
        package = buying.result(PATIENCE).package

    assert package.begins_at == at(60)
    assert [period.begins_at for period in package.periods.all()] == [at(60)]


def test_a_purchase_that_was_shown_to_begin_in_an_hour_that_closes_meanwhile_is_refused(on_sale):
    with together() as threads:
        with a_closing_on_its_way():
            buying = threads.start(lambda: order(TOKENS, ORDER, begins_at=THE_HOUR))
            wait_until_waiting(1)
        with pytest.raises(PlanChanged):
            buying.result(PATIENCE)

    assert not QuotaPackage.objects.exists()


def test_a_closing_that_waits_before_a_purchase_does_not_wait_for_it_as_well(on_sale):
    with together() as threads:
        with transaction.atomic():
            lock_hours_for_ingest([THE_HOUR])
            closing_it = threads.start(close)
            wait_until_waiting(1)
            buying = threads.start(lambda: order(TOKENS, ORDER))
            wait_until_waiting(2)
        assert closing_it.result(PATIENCE).records == 1
        assert buying.result(PATIENCE).package.begins_at == at(60)
