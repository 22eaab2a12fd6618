"""Two who change prices at once: each may take away only what the other does not rely on."""

import datetime as dt
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction

from invoices.price_impact.preview import preview_of
from pricing.catalogue.initial import load_catalogue
from pricing.changes import apply as applying
from pricing.changes.apply import ChangesRefused, StalePreview, apply_rows, dry_run
from pricing.changes.price_commands import announce_offer, cancel_price, change_price, end_prices
from pricing.rules.kinds import Kind
from tests.builders import commit, item
from tests.concurrency.threads import PATIENCE, together, wait_until_waiting

pytestmark = pytest.mark.django_db(transaction=True)

NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)
TOMORROW = NOW + DAY


@pytest.fixture
def vision():
    """An item on a free trial without an end, above a list price from tomorrow on: each is enough."""
    load_catalogue()
    found = item("SenseChat-Vision", "input_tokens")
    apply(
        change_price(
            item=found, customer=None, kind=Kind.LIST_PRICE, unit_price=Decimal("0.01"), unit_size=1000,
            begins_at=TOMORROW, ends_at=None,
        )
    )  # fmt: skip
    return found


@pytest.fixture
def offer():
    """A scheduled offer of SenseChat's input tokens, without an end."""
    load_catalogue()
    found = item("SenseChat", "input_tokens")
    apply(announce_offer(items=[found], percent_off=Decimal(10), begins_at=TOMORROW, ends_at=None))
    return price_of(found, Kind.LIMITED_TIME_OFFER)


def apply(rows, seen=None):
    return apply_rows(rows=rows, by="operator", reason="to test", now=NOW, seen=seen, confirmed=True)


def end_of_offer(offer, ends_at):
    """The rows of an end, and the fingerprint of what was seen of it."""
    rows = end_prices(prices=[offer], ends_at=ends_at)
    with dry_run(rows=rows, now=NOW) as outcome:
        return rows, outcome.fingerprint


def price_of(found, kind):
    return found.prices.select_related("billing_item__service", "customer").get(kind=kind)


def end_the_trial(found):
    apply(end_prices(prices=[price_of(found, Kind.FREE_TRIAL)], ends_at=TOMORROW))


def cancel_the_list_price(found):
    apply(cancel_price(price=price_of(found, Kind.LIST_PRICE)))


def end_by_hand(found):
    found.prices.filter(kind=Kind.FREE_TRIAL).update(ends_at=TOMORROW)
    commit()


def delete_by_hand(found):
    with transaction.atomic():
        found.prices.filter(kind=Kind.LIST_PRICE).delete()
        commit()


def gap(found):
    with connection.cursor() as cursor:
        cursor.execute("SELECT gap_of_item(%s)", [found.pk])
        return cursor.fetchone()[0]


def test_of_two_who_each_take_away_what_the_other_relies_on_one_is_refused(vision):
    with together() as threads:
        with transaction.atomic():
            end_the_trial(vision)
            cancelling = threads.start(lambda: cancel_the_list_price(vision))
            wait_until_waiting(1)
        with pytest.raises(ChangesRefused, match="would be without a price for everybody"):
            cancelling.result(PATIENCE)

    assert gap(vision) is None


def test_rows_that_meet_a_change_past_the_rows_are_refused_as_rows_are(vision):
    with together() as threads:
        with transaction.atomic():
            end_by_hand(vision)
            cancelling = threads.start(lambda: cancel_the_list_price(vision))
            wait_until_waiting(1, locktype="transactionid")
        with pytest.raises(ChangesRefused, match="would be without a price for everybody"):
            cancelling.result(PATIENCE)

    assert gap(vision) is None


def test_past_the_rows_the_database_refuses_it_too(vision):
    with together() as threads:
        with transaction.atomic():
            end_by_hand(vision)
            deleting = threads.start(lambda: delete_by_hand(vision))
            wait_until_waiting(1, locktype="transactionid")
        with pytest.raises(IntegrityError, match="would be without a price for everybody"):
            deleting.result(PATIENCE)

    assert gap(vision) is None


def test_without_the_lock_on_the_item_both_would_succeed_and_leave_a_gap(vision):
    """The control: the test above fails if the trigger does not lock the item."""
    with WithoutTheLock(), together() as threads, transaction.atomic():
        end_by_hand(vision)
        threads.start(lambda: delete_by_hand(vision)).result(PATIENCE)

    assert "would be without a price for everybody" in gap(vision)


def test_of_two_who_saw_the_same_offer_and_end_it_one_is_told_that_it_has_changed(offer):
    soon, later = (end_of_offer(offer, TOMORROW + days * DAY) for days in (1, 2))

    with together() as threads:
        with transaction.atomic():
            apply(*soon)
            ending = threads.start(lambda: apply(*later))
            wait_until_waiting(1)
        with pytest.raises(StalePreview):
            ending.result(PATIENCE)

    offer.refresh_from_db()
    assert offer.ends_at == TOMORROW + DAY


def test_without_waiting_for_others_the_second_would_overwrite_unseen(offer, monkeypatch):
    """The control: the test above fails if rows are not applied one after the other."""
    monkeypatch.setattr(applying, "catalogue_locked", transaction.atomic)
    soon, later = (end_of_offer(offer, TOMORROW + days * DAY) for days in (1, 2))

    with together() as threads:
        with transaction.atomic():
            apply(*soon)
            ending = threads.start(lambda: apply(*later))
            wait_until_waiting(1, locktype="transactionid")
        ending.result(PATIENCE)

    offer.refresh_from_db()
    assert offer.ends_at == TOMORROW + 2 * DAY


def test_of_two_offers_at_once_one_is_refused(vision):
    found = item("SenseChat", "input_tokens")
    first, second = (
        announce_offer(items=[found], percent_off=Decimal(10), begins_at=begins, ends_at=None)
        for begins in (TOMORROW, TOMORROW + DAY)
    )

    with together() as threads:
        with transaction.atomic():
            apply(first)
            announcing = threads.start(lambda: apply(second))
            wait_until_waiting(1)
        with pytest.raises(ChangesRefused, match="Another limited-time offer of this item is in force"):
            announcing.result(PATIENCE)

    assert found.prices.filter(kind=Kind.LIMITED_TIME_OFFER).count() == 1


def test_a_plan_that_waits_for_another_shows_what_is_so_afterwards(offer):
    found = item("SenseChat", "input_tokens")
    dearer = change_price(
        item=found, customer=None, kind=Kind.LIST_PRICE, unit_price=Decimal(9), unit_size=1000,
        begins_at=TOMORROW, ends_at=None,
    )  # fmt: skip

    with together() as threads:
        with transaction.atomic():
            apply(cancel_price(price=offer))
            planning = threads.start(lambda: preview_of(rows=dearer, now=NOW))
            wait_until_waiting(1)
        plan = planning.result(PATIENCE)

    (effect,) = plan.effects
    assert {counting.without.kind for counting in effect.interval.counting.values()} == {"list_price"}


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
