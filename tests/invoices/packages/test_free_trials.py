"""Calls under a free trial draw nothing on a Tokens package; the books verify."""

from decimal import Decimal

import pytest

from invoices.models import ChargeLine
from invoices.rating.charges_sql import charges_so_far
from pricing.models import BillingItem, Service
from pricing.rules.kinds import Kind
from tests.builders import at, close, price, record, report
from tests.packages import buy, draws, lines, tokens_product, tpm_product
from usage.ingest.reversals import reverse_record

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("verified_afterwards")]

IN, OUT, IMAGES = "input_tokens", "output_tokens", "images"
CHAT = "SenseChat-5"
PACKAGE = "SenseChat-5 1M"


def trial(begins_at, ends_at, *, measures=(IN, OUT), customer=None):
    """Let SenseChat-5 be free meanwhile."""
    for measure in measures:
        period = {"begins_at": begins_at, "ends_at": ends_at}
        price(CHAT, measure, "0", kind=Kind.FREE_TRIAL, customer=customer, **period)


def use(event_id, minute, tokens_in=100, tokens_out=0, *, now=None, **fields):
    used = {IN: tokens_in, OUT: tokens_out, "occurred_at": at(minute)}
    record(report(event_id, **used, **fields), now=now or at(61))


def covered():
    """How many tokens each package covers, or none does."""
    return {(measure, package): quantity for (_, measure, package), (quantity, _) in lines().items()}


def test_a_trial_of_the_whole_hour(acme):
    package = buy(acme, now=at(1))
    trial(at(0), at(60))
    use("a", 10, 100, 50)

    close()

    assert draws(package) == []
    assert {line.is_free_trial for line in ChargeLine.objects.all()} == {True}
    assert covered() == {(IN, None): 100, (OUT, None): 50}


@pytest.mark.parametrize(
    ("begin", "end", "drawn"),
    [(20, 90, [(100, 999_900)]), (-60, 20, [(1_000, 999_000)])],
    ids=["begins within the hour", "ends within the hour"],
)
def test_a_trial_of_a_part_of_the_hour(begin, end, drawn, acme):
    package = buy(acme, now=at(1))
    trial(at(begin), at(end))
    use("a", 19, 60, 40)
    use("b", 20, 1000)

    close()

    assert draws(package) == drawn


def test_calls_after_a_trial_are_covered_as_far_as_the_package_reaches(acme):
    package = buy(acme, tokens_product(tokens=150), now=at(1))
    trial(at(15), at(30))
    for minute in (10, 20, 35, 40):
        use(f"at {minute}", minute)

    close()

    assert draws(package) == [(150, 0)]
    charged = ChargeLine.objects.filter(package=None, quantity__gt=0)
    assert [(int(one.quantity), one.is_free_trial) for one in charged.order_by("amount")] == [
        (100, True),
        (150, False),
    ]


def test_one_customers_own_trial(acme, globex):
    ours, theirs = buy(acme, now=at(1)), buy(globex, tokens_product("theirs"), now=at(1))
    trial(at(0), at(60), customer=acme)
    use("a", 10)
    use("b", 10, customer="globex")

    close()

    assert (draws(ours), draws(theirs)) == ([], [(100, 999_900)])


def test_a_customers_own_price_counts_before_everybodys_trial(acme):
    package = buy(acme, now=at(1))
    trial(at(0), at(60))
    price(CHAT, IN, "0.01", begins_at=at(0), customer=acme)
    use("a", 10)

    close()

    assert draws(package) == [(100, 999_900)]


def test_a_trial_of_input_only_leaves_the_call_to_the_package(acme):
    package = buy(acme, now=at(1))
    trial(at(0), at(60), measures=[IN])
    use("a", 10, 100, 50)

    close()

    assert draws(package) == [(150, 999_850)]


def test_what_packages_do_not_count_is_charged_beside_a_trial(acme):
    BillingItem.objects.create(service=Service.objects.get(name=CHAT), measure=IMAGES)
    price(CHAT, IMAGES, "0.5", begins_at=at(-60), unit_size=1)
    package = buy(acme, now=at(1))
    trial(at(0), at(60))
    use("a", 10, images=2)

    close()

    assert draws(package) == []
    assert lines()[CHAT, IMAGES, None] == (2, Decimal(1))


def test_an_item_that_is_not_sold_yet_is_no_reason_to_draw(acme):
    BillingItem.objects.create(service=Service.objects.get(name=CHAT), measure="cached_input_tokens")
    price(CHAT, "cached_input_tokens", "0.01", begins_at=at(600))
    package = buy(acme, now=at(1))
    trial(at(0), at(60))
    use("a", 10, cached_input_tokens=30)

    close()

    assert draws(package) == []


def test_a_tpm_package_covers_calls_under_a_trial(acme):
    buy(acme, tpm_product(begins_at=at(-60)), units=1, now=at(-50))
    trial(at(0), at(60))
    use("a", 10)

    close()

    assert covered() == {(IN, "SenseChat-5 TPM"): 100}


def test_the_reversal_of_a_call_under_a_trial_gives_nothing_back(acme):
    package = buy(acme, now=at(1))
    trial(at(20), at(60))
    use("a", 10)
    use("b", 30)
    use("c", 31, 0)
    close()
    for event_id in "abc":
        reverse_record(customer=acme, event_id=event_id, reason="A test.", by="alice", now=at(70))
    close(hour=1)

    assert draws(package) == [(100, 999_900), (-100, 1_000_000)]


def test_a_late_call_under_a_trial_draws_nothing(acme):
    package = buy(acme, now=at(1))
    trial(at(20), at(60))
    use("a", 10)
    close()
    use("late and free", 30, now=at(70))
    use("late", 11, 7, now=at(70))
    close(hour=1)

    assert draws(package) == [(100, 999_900), (7, 999_893)]


def test_the_running_hour_shows_what_the_closing_makes_of_a_trial(acme):
    buy(acme, tokens_product(tokens=150), now=at(1))
    trial(at(15), at(30))
    for minute in (10, 20, 35):
        use(f"at {minute}", minute)

    shown = [
        (int(one.quantity), one.is_free_trial, one.draw and one.draw.left)
        for one in charges_so_far(customer_id=acme.pk, hour=at(0))
        if one.quantity
    ]

    assert sorted(shown, key=str) == [(100, True, None), (150, False, 0), (50, False, None)]
