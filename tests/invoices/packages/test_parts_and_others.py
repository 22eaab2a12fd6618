"""Packages beside parts of input tokens, and beside what no Tokens package counts; the books verify."""

from decimal import Decimal

import pytest

from pricing.models import BillingItem, Service
from tests.builders import at, close, price, record, report
from tests.packages import buy, draws, lines, tokens_product, tpm_product
from usage.ingest.reversals import reverse_record

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("verified_afterwards", "images_cost")]

IN, OUT, CACHED, IMAGES = "input_tokens", "output_tokens", "cached_input_tokens", "images"


@pytest.fixture
def images_cost(db):
    """SenseChat-5 charges for images as well, and cached input tokens have a price of their own."""
    for measure, unit_price, unit_size in ((IMAGES, "0.5", 1), (CACHED, "0.01", 1000)):
        service = Service.objects.get(name="SenseChat-5")
        BillingItem.objects.create(service=service, measure=measure)
        price("SenseChat-5", measure, unit_price, begins_at=at(-600), unit_size=unit_size)


def use(event_id, minute, tokens_in, tokens_out=0, **fields):
    """A call of THE_HOUR."""
    call = report(
        event_id, occurred_at=at(minute), input_tokens=tokens_in, output_tokens=tokens_out, **fields
    )
    record(call)


def reverse(customer, *event_ids):
    """Reverse these calls in the next hour, and close it."""
    for event_id in event_ids:
        reverse_record(customer=customer, event_id=event_id, reason="A test.", by="alice", now=at(10, hour=1))
    close(hour=1)


def test_parts_weigh_as_their_whole_unless_they_have_a_weight(acme):
    weights = [("SenseChat-5", IN, "2"), ("SenseChat-5", CACHED, "0.5")]
    package = buy(acme, tokens_product(tokens=25, weights=weights), now=at(1))
    use("a", 10, 10, 5, cached_input_tokens=4)  # 6 x 2 + 4 x 0.5 + 5
    use("b", 11, 10, 5, cached_input_tokens=4)

    close()

    assert draws(package) == [(25, 0)]
    assert lines()["SenseChat-5", IN, "SenseChat-5 1M"][0] == 9
    assert lines()["SenseChat-5", CACHED, None][0] == 4


def test_images_beside_covered_tokens_are_charged(acme):
    package = buy(acme, tokens_product(tokens=1000), now=at(1))
    use("a", 10, 100, images=2)
    use("b", 11, 0, images=1)

    close()

    assert draws(package) == [(100, 900)]
    assert lines() == {
        ("SenseChat-5", IN, "SenseChat-5 1M"): (100, Decimal(0)),
        ("SenseChat-5", IMAGES, None): (3, Decimal("1.5")),
    }


def test_images_of_calls_around_the_one_at_which_a_package_runs_out_are_charged(acme):
    package = buy(acme, tokens_product(tokens=150), now=at(1))
    more = buy(acme, tokens_product("more", 1000, validity=60), now=at(1))
    for minute, event_id in enumerate("abc", 10):
        use(event_id, minute, 100, 7, images=1, cached_input_tokens=20)
    close()
    reverse(acme, "a", "b", "c")

    assert (draws(package), draws(more)) == ([(150, 0)], [(171, 829), (-171, 1000)])


def test_a_tpm_package_covers_images_too(acme):
    buy(acme, tpm_product(begins_at=at(-60)), units=1, now=at(-50))
    use("a", 10, 100, images=2)
    close()
    reverse(acme, "a")

    assert {package for _, _, package in lines()} == {"SenseChat-5 TPM"}
