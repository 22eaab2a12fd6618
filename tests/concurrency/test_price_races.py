"""Two who change prices at once: each may take away only what the other does not rely on."""

import datetime as dt
from decimal import Decimal

import pytest
from django.db import connection, transaction

from pricing.applying import PlanRefused, apply_rows
from pricing.arranging import announce_offer, cancel_price, change_price, end_prices
from pricing.catalogue import load_catalogue
from pricing.models import PriceKind
from tests.builders import item
from tests.concurrency.threads import PATIENCE, together, wait_until_waiting

pytestmark = pytest.mark.django_db(transaction=True)

NOW = dt.datetime.now(dt.UTC)
TOMORROW = NOW + dt.timedelta(days=1)


@pytest.fixture
def vision():
    """An item on a free trial without an end, above a list price from tomorrow on: each is enough."""
    load_catalogue()
    found = item("SenseChat-Vision", "input_tokens")
    apply(
        change_price(
            item=found, customer=None, kind=PriceKind.LIST_PRICE, unit_price=Decimal("0.01"), unit_size=1000,
            begins_at=TOMORROW, ends_at=None,
        )
    )  # fmt: skip
    return found


def apply(rows):
    return apply_rows(rows=rows, by="operator", reason="to test", now=NOW)


def price_of(found, kind):
    return found.prices.select_related("billing_item__service", "customer").get(kind=kind)


def end_the_trial(found):
    apply(end_prices(prices=[price_of(found, PriceKind.FREE_TRIAL)], ends_at=TOMORROW))


def cancel_the_list_price(found):
    apply(cancel_price(price=price_of(found, PriceKind.LIST_PRICE)))


def gap(found):
    with connection.cursor() as cursor:
        cursor.execute("SELECT gap_of_item(%s)", [found.pk])
        return cursor.fetchone()[0]


def test_of_two_who_each_take_away_what_the_other_relies_on_one_is_refused(vision):
    with together() as threads:
        with transaction.atomic():
            end_the_trial(vision)
            cancelling = threads.start(lambda: cancel_the_list_price(vision))
            wait_until_waiting(1, locktype="transactionid")
        with pytest.raises(PlanRefused, match="would be without a price for everybody"):
            cancelling.result(PATIENCE)

    assert gap(vision) is None


def test_without_the_lock_on_the_item_both_would_succeed_and_leave_a_gap(vision):
    """The control: the test above fails if the trigger does not lock the item."""
    with WithoutTheLock(), together() as threads, transaction.atomic():
        end_the_trial(vision)
        threads.start(lambda: cancel_the_list_price(vision)).result(PATIENCE)

    assert "would be without a price for everybody" in gap(vision)


def test_of_two_offers_at_once_one_is_refused(vision):
    found = item("SenseChat", "input_tokens")
    offer = announce_offer(items=[found], percent_off=Decimal(10), begins_at=TOMORROW, ends_at=None)

    with together() as threads:
        with transaction.atomic():
            apply(offer)
            announcing = threads.start(lambda: apply(offer))
            wait_until_waiting(1, locktype="transactionid")
        with pytest.raises(PlanRefused, match="Another limited-time offer of this item is in force"):
            announcing.result(PATIENCE)

    assert found.prices.filter(kind=PriceKind.LIMITED_TIME_OFFER).count() == 1


class WithoutTheLock:
    """The trigger's function as it was without the lock, and as it was after all."""

    def __enter__(self):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_get_functiondef('require_a_price_for_ever'::regproc)")
            (self.kept,) = cursor.fetchone()
            without = self.kept.replace("FOR NO KEY UPDATE", "")
            assert without != self.kept
            cursor.execute(without)

    def __exit__(self, *raised):
        with connection.cursor() as cursor:
            cursor.execute(self.kept)
