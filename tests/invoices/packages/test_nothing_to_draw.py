"""Hours in which a package covers calls and nothing is drawn on it."""

import pytest

from accounts.models import Customer
from invoices.books.rerun import repeat_rating
from invoices.books.verify import verify_books
from invoices.models import HourlyBill
from tests.builders import at, close, record, report
from tests.packages import buy, draws, tokens_product
from usage.ingest.reversals import reverse_record

pytestmark = pytest.mark.django_db

IN = "input_tokens"


def use(event_id, tokens_in, *, hour=0):
    """A call of the hour that was only asked, not answered."""
    call = report(event_id, occurred_at=at(10, hour=hour), input_tokens=tokens_in, output_tokens=0)
    record(call, now=at(61, hour=hour))


def found():
    """What is found if all is verified, and rated again."""
    return [one.text for one in verify_books(besides=repeat_rating).findings.first]


def test_a_call_without_tokens_is_rated_again_as_it_was(acme):
    buy(acme, tokens_product(), now=at(1))
    use("a", 0)

    close()

    assert found() == []


def test_a_call_without_tokens_can_be_reversed(acme):
    buy(acme, tokens_product(), now=at(1))
    use("a", 0)
    close()
    reverse_record(
        customer=Customer.objects.get(), event_id="a", reason="A test.", by="alice", now=at(10, hour=1)
    )

    close(hour=1)

    assert HourlyBill.objects.get(hour=at(0, hour=1)).lines.count() == 2


def keep_a_remainder(acme):
    """Leave one token in a package of which each token of a call takes three."""
    package = buy(acme, tokens_product("heavy", 10, weights=[("SenseChat-5", IN, "3")]), now=at(1))
    use("a", 3)
    close()
    use("b", 5, hour=1)
    close(hour=1)
    return package


def test_a_remainder_that_covers_no_token_ends_its_package(acme):
    package = keep_a_remainder(acme)

    assert draws(package) == [(9, 1), (0, 1)]
    assert [period.ends_at for period in package.periods.all()] == [at(0, hour=2)]


def test_an_hour_in_which_a_remainder_covers_no_token_is_rated_again_as_it_was(acme):
    keep_a_remainder(acme)

    assert found() == []
