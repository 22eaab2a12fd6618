"""What admins do with prices: each deed's rows, and that taking it back leaves what was."""

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError

from pricing.changes.apply import ChangesRefused, apply_rows
from pricing.changes.price_commands import (
    announce_offer,
    cancel_price,
    change_price,
    copy_prices,
    end_prices,
    start_trial,
    superseding_rows,
)
from pricing.changes.rows import PriceRow, key_of
from pricing.changes.stored import all_rows
from pricing.models import Price
from pricing.rules.kinds import Kind
from pricing.rules.measures import Measure
from tests.builders import commit, item, price
from tests.tables import table

pytestmark = pytest.mark.django_db

NOW = dt.datetime.now(dt.UTC)
LIST, OFFER, TRIAL = Kind.LIST_PRICE, Kind.LIMITED_TIME_OFFER, Kind.FREE_TRIAL
SENSECHAT = ("SenseChat", Measure.INPUT_TOKENS)
VISION = ("SenseChat-Vision", Measure.INPUT_TOKENS)


def day(number):
    """So many days from now."""
    return NOW + dt.timedelta(days=number)


def do(rows, reason="to test"):
    changes = apply_rows(rows=rows, by="operator", reason=reason, now=NOW, confirmed=True)
    commit()
    return changes


def change(unit_price, begins, ends=None, *, kind=LIST, customer=None, of=SENSECHAT):
    return change_price(
        item=item(*of),
        customer=customer,
        kind=kind,
        unit_price=Decimal(unit_price),
        unit_size=1000,
        begins_at=day(begins),
        ends_at=None if ends is None else day(ends),
    )


def course(*days, of=SENSECHAT, customer=None):
    """The price that counts on each of these days."""
    prices = Price.objects.filter(billing_item=item(*of), customer=customer).by_precedence()
    return [f"{prices.in_force(at=day(number))[0].unit_price.normalize():f}" for number in days]


def test_a_new_price_takes_over_from_the_old_one():
    do(change("0.01", 1))

    assert course(0, 0.9, 1, 100) == ["0.012", "0.012", "0.01", "0.01"]


def test_after_a_price_for_a_time_the_old_one_goes_on():
    do(change("0.01", 1, 2))

    assert course(0, 1, 1.9, 2, 100) == ["0.012", "0.01", "0.01", "0.012", "0.012"]


def test_a_price_without_an_end_gives_way_to_the_next_one_that_is_scheduled():
    do(change("0.01", 5))

    do(change("0.02", 1))

    assert course(0, 1, 4.9, 5) == ["0.012", "0.02", "0.02", "0.01"]


def test_a_price_for_a_time_is_laid_over_those_that_are_scheduled():
    do(change("0.01", 2, 3))

    do(change("0.02", 1, 4))

    assert course(0, 1, 2, 3, 4) == ["0.012", "0.02", "0.02", "0.02", "0.012"]


def test_a_price_that_begins_with_a_scheduled_one_replaces_it():
    do(change("0.01", 1))

    do(change("0.02", 1))

    assert course(0, 1, 100) == ["0.012", "0.02", "0.02"]


def test_a_scheduled_price_that_is_cancelled_leaves_what_was():
    before = all_rows()
    do(change("0.01", 1))

    do(cancel_price(price=Price.objects.get(billing_item=item(*SENSECHAT), begins_at=day(1))))

    assert all_rows() == before


def test_an_offer_that_was_cut_for_another_gets_its_own_end_back():
    do(change("0.009", 1, 9, kind=OFFER))
    do(change("0.008", 3, kind=OFFER), "Another one")

    do(cancel_price(price=Price.objects.get(begins_at=day(3))))

    assert course(1, 3, 8.9, 9) == ["0.009", "0.009", "0.009", "0.012"]


def test_an_offer_that_was_announced_with_its_end_ends_then_also_if_the_next_is_cancelled():
    do(change("0.009", 1, 3, kind=OFFER))
    do(change("0.008", 3, 9, kind=OFFER), "Another one")

    do(cancel_price(price=Price.objects.get(begins_at=day(3))))

    assert course(1, 2.9, 3, 9) == ["0.009", "0.009", "0.012", "0.012"]


def test_what_was_ended_before_another_was_announced_stays_ended():
    do(change("0.009", 1, kind=OFFER))
    do(end_prices(prices=[Price.objects.get(begins_at=day(1))], ends_at=day(3)), "It is over")
    do(change("0.008", 3, kind=OFFER), "Another one")

    do(cancel_price(price=Price.objects.get(begins_at=day(3))))

    assert course(1, 3) == ["0.009", "0.012"]


def test_an_own_price_that_was_cut_goes_on(acme):
    price(*SENSECHAT, "0.001", begins_at=day(-1), customer=acme)
    do(change("0.002", 1, customer=acme))

    do(cancel_price(price=Price.objects.get(begins_at=day(1))))

    assert course(0, 1, 100, customer=acme) == ["0.001", "0.001", "0.001"]


def test_prices_that_follow_each_other_are_taken_back_together():
    before = all_rows()
    do(change("0.01", 1))
    do(change("0.02", 5))
    scheduled = list(Price.objects.filter(begins_at__gt=NOW).with_names())

    do(end_prices(prices=[], ends_at=day(1), cancelled=scheduled))

    assert all_rows() == before


def test_of_two_that_follow_each_other_one_ends_and_the_other_is_taken_back():
    do(change("0.009", 1, kind=OFFER))
    do(change("0.008", 5, kind=OFFER), "Another one")
    first, second = Price.objects.filter(kind=OFFER, begins_at__gt=NOW).with_names().order_by("begins_at")

    do(end_prices(prices=[first], ends_at=day(3), cancelled=[second]))

    assert course(1, 2.9, 3, 5) == ["0.009", "0.009", "0.012", "0.012"]


def test_what_ends_by_the_same_deed_is_not_prolonged(acme):
    price(*SENSECHAT, "0.001", begins_at=day(-1), customer=acme)
    do(change("0.002", 10, customer=acme))
    old, new = Price.objects.filter(customer=acme).with_names().order_by("begins_at")

    do(end_prices(prices=[old], ends_at=day(10), cancelled=[new]))

    assert [one.ends_at for one in Price.objects.filter(customer=acme)] == [day(10)]


@pytest.mark.parametrize("kind", [LIST, OFFER])
def test_what_was_removed_for_a_price_is_back_when_it_is_taken_back(kind):
    do(change("0.009", 1, kind=kind), "First")
    do(change("0.008", 10, kind=kind), "Second")
    before = all_rows()
    do(change("0.007", 5, 12, kind=kind), "Third")

    do(cancel_price(price=Price.objects.get(begins_at=day(5))))

    assert course(4, 5, 9.9, 10, 11, 12, 100) == ["0.009"] * 3 + ["0.008"] * 4
    assert [key_of(one) for one in before if one not in all_rows()] == [
        key_of(one) for one in before if isinstance(one, PriceRow) and one.begins_at == day(10)
    ]  # it is in two parts now


def test_what_was_removed_for_the_time_after_a_new_end_does_not_come_back():
    do(change("0.009", 1, kind=OFFER), "First")
    do(change("0.008", 10, kind=OFFER), "Second")
    do(change("0.007", 5, 12, kind=OFFER), "Third, instead of the second until then")
    third = Price.objects.with_names().get(begins_at=day(5))
    do(end_prices(prices=[third], ends_at=day(8)), "Sooner")

    do(cancel_price(price=Price.objects.with_names().get(pk=third.pk)))

    assert course(4, 5, 7.9, 8, 11, 12) == ["0.009"] * 3 + ["0.012"] * 2 + ["0.008"]


def test_an_own_list_price_that_gave_way_to_the_one_taken_back_goes_on(acme):
    do(change("0.002", 10, customer=acme))
    do(change("0.0015", 5, customer=acme), "Earlier")

    do(cancel_price(price=Price.objects.get(begins_at=day(10))))

    assert course(5, 10, 100, customer=acme) == ["0.0015", "0.0015", "0.0015"]


def test_an_offer_that_the_deed_prolonged_keeps_its_end_when_what_goes_on_behind_it_is_taken_back():
    do(change("0.009", 1, 9, kind=OFFER), "First")
    do(change("0.008", 3, 5, kind=OFFER), "Second")
    do(change("0.007", 3, 7, kind=OFFER), "Third")

    do(cancel_price(price=Price.objects.get(begins_at=day(7))))

    assert course(2, 3, 5, 6.9, 7, 9) == ["0.009", "0.007", "0.007", "0.007", "0.009", "0.012"]


def test_a_price_that_is_not_scheduled_any_more_cannot_be_taken_back():
    do(change("0.01", 1))
    scheduled = Price.objects.with_names().get(begins_at=day(1))
    do(cancel_price(price=scheduled))

    with pytest.raises(ValidationError, match="is not scheduled any more"):
        cancel_price(price=scheduled)


def test_an_offer_for_a_group_is_so_many_percent_off_the_list_prices():
    items = [item("SenseChat", "input_tokens"), item("SenseChat-32K", "output_tokens")]

    do(announce_offer(items=items, percent_off=Decimal(25), begins_at=day(1), ends_at=day(2)))

    assert course(0, 1, 2) == ["0.012", "0.009", "0.012"]
    assert course(0, 1, 2, of=("SenseChat-32K", "output_tokens")) == ["0.036", "0.027", "0.036"]


def test_an_offer_may_give_the_new_price_of_each_item():
    only = item(*SENSECHAT)

    do(announce_offer(items=[only], unit_prices={only.pk: Decimal("0.005")}, begins_at=day(1), ends_at=None))

    assert course(0, 1, 100) == ["0.012", "0.005", "0.005"]


def test_where_there_is_only_an_offer_the_percentage_is_off_that():
    on_offer = ("SenseChat-5", Measure.INPUT_TOKENS)

    do(announce_offer(items=[item(*on_offer)], percent_off=Decimal(50), begins_at=day(1), ends_at=day(2)))

    assert course(0, 1, 2, of=on_offer) == ["0.04", "0.02", "0.04"]


def test_an_offer_over_another_is_so_many_percent_off_the_list_price():
    do(change("0.006", 1, 5, kind=OFFER))

    do(announce_offer(items=[item(*SENSECHAT)], percent_off=Decimal(25), begins_at=day(2), ends_at=day(3)))

    assert course(1, 2, 3, 5) == ["0.006", "0.009", "0.006", "0.012"]


@pytest.mark.parametrize(
    ("of", "percent_off", "reason"),
    [
        (SENSECHAT, "33.33333333", "at most 8 decimals"),
        (SENSECHAT, "101", "not below 0"),
        (SENSECHAT, None, "give a percentage off"),
        (VISION, "10", "only a free trial: there is no price to reduce"),
    ],
)
def test_an_offer_that_is_no_price_is_refused(of, percent_off, reason):
    percent = None if percent_off is None else Decimal(percent_off)

    with pytest.raises(ValidationError, match=reason):
        announce_offer(items=[item(*of)], percent_off=percent, begins_at=day(1), ends_at=None)


def test_a_trial_makes_an_item_free_for_a_time():
    do(start_trial(items=[item(*SENSECHAT)], begins_at=day(1), ends_at=day(2)))

    assert course(0, 1, 2) == ["0.012", "0", "0.012"]


def test_the_end_of_a_trial_without_a_price_beneath_is_refused_and_says_what_would_be_missing():
    trial = item(*VISION).prices.get()

    with pytest.raises(ChangesRefused, match="SenseChat-Vision: input tokens would be without a price"):
        do(end_prices(prices=[trial], ends_at=day(1)))


def test_a_trial_ends_with_the_list_price_that_follows():
    trial = item(*VISION).prices.get()

    do(end_prices(prices=[trial], ends_at=day(1), successors={trial.pk: Decimal("0.01")}))

    assert course(0, 1, 100, of=VISION) == ["0", "0.01", "0.01"]


def test_a_customer_gets_another_customers_prices_as_they_are_from_then_on(acme, globex):
    price(*SENSECHAT, "0.001", begins_at=day(-2), ends_at=day(-1), customer=acme)
    price(*SENSECHAT, "0.002", begins_at=day(-1), ends_at=day(2), customer=acme)
    price(*SENSECHAT, "0.003", begins_at=day(2), customer=acme)

    do(copy_prices(source=acme, target=globex, begins_at=day(1)))

    theirs = Price.objects.filter(customer=globex).order_by("begins_at")
    assert [(one.unit_price.normalize(), one.begins_at, one.ends_at) for one in theirs] == [
        (Decimal("0.002"), day(1), day(2)),
        (Decimal("0.003"), day(2), None),
    ]


def test_prices_are_copied_over_those_that_the_customer_has(acme, globex):
    price(*SENSECHAT, "0.002", begins_at=day(-1), ends_at=day(2), customer=acme)
    price(*SENSECHAT, "0.003", begins_at=day(2), customer=acme)
    price(*SENSECHAT, "0.009", begins_at=day(-1), customer=globex)

    do(copy_prices(source=acme, target=globex, begins_at=day(1)))

    assert course(0, 1, 2, 100, customer=globex) == ["0.009", "0.002", "0.003", "0.003"]


def test_a_list_price_ends_with_the_list_price_that_follows():
    old = item(*SENSECHAT).prices.get()

    do(end_prices(prices=[old], ends_at=day(1), successors={old.pk: Decimal("0.02")}))

    assert course(0, 1) == ["0.012", "0.02"]


def test_what_counts_on_a_bill_does_not_change_before_a_price_begins(acme):
    """A customer's own price is laid over the customer's own only."""
    do(change("0.001", 1, customer=acme))

    assert course(0, 1, 100) == ["0.012"] * 3


# --- Laying a price over others ------------------------------------------------------------------------

ROW = PriceRow(
    service="SenseChat",
    measure=Measure.INPUT_TOKENS,
    kind=LIST,
    unit_price=Decimal(1),
    unit_size=1000,
    begins_at=day(0),
)


def row(span):
    """A row from such a day to such a day, or without an end."""
    begins, _, ends = span.partition("-")
    return replace(ROW, begins_at=day(int(begins)), ends_at=day(int(ends)) if ends else None)


def drawn(rows):
    """Rows as the table writes them, in their order."""
    spans = {row.begins_at: row.ends_at for row in rows}
    return ", ".join(f"{(b - NOW).days}-{(e - NOW).days if e else ''}" for b, e in sorted(spans.items()))


@pytest.mark.parametrize(
    ("new", "before", "after"), table("pricing.md", "new price", "prices before", "prices after")
)
def test_a_price_is_laid_over_others(new, before, after):
    others = {key_of(other): other for other in map(row, filter(None, before.split(", ")))}

    rows = {key_of(one): one for one in superseding_rows(row(new), [*others.values()])}

    assert drawn(one for one in (others | rows).values() if not one.remove) == after
