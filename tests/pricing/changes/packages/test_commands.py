"""Terms of a product give way to others, end and come back, as prices do."""

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError

from pricing.changes.apply import apply_rows
from pricing.changes.packages.commands import cancel_terms, end_terms, sell_package
from pricing.changes.rows import AT_ONCE
from pricing.models import PackageTerms
from tests.pricing.changes.packages.test_rows import TOKENS, stored

pytestmark = pytest.mark.django_db

NOW = dt.datetime.now(dt.UTC)
A_DAY = dt.timedelta(days=1)
YESTERDAY = NOW - A_DAY


def day(number):
    return NOW + number * A_DAY


def apply(rows):
    return apply_rows(rows=rows, by="operator", reason=f"{len(rows)} rows", now=NOW)


def sell(price, begins, ends=None, **fields):
    """Put SenseChat-5 10M on sale at this price."""
    new = replace(
        TOKENS, list_price=Decimal(price), offer_price=None, begins_at=begins, ends_at=ends, **fields
    )
    return apply(sell_package(new=new, now=NOW))


def periods():
    """The price, the beginning and the end of all terms, in days from now."""
    return [(int(row.list_price), days(row.begins_at), days(row.ends_at)) for row in stored()]


def days(at):
    return None if at is None else (at - NOW + A_DAY / 24) // A_DAY


def terms(price):
    return PackageTerms.objects.get(list_price=price)


@pytest.fixture
def on_sale():
    """On sale since yesterday, for 400 RMB."""
    apply([replace(TOKENS, list_price=Decimal(400), offer_price=None, begins_at=YESTERDAY)])


def test_new_terms_end_those_on_sale_where_they_begin(on_sale):
    sell(300, day(2))

    assert periods() == [(400, -1, 2), (300, 2, None)]


def test_terms_with_an_end_let_those_that_they_superseded_resume(on_sale):
    sell(300, day(2), day(4))

    assert periods() == [(400, -1, 2), (300, 2, 4), (400, 4, None)]
    assert stored()[2].weights == TOKENS.weights


def test_terms_without_an_end_end_where_scheduled_ones_begin(on_sale):
    sell(300, day(4))
    sell(200, day(2))

    assert periods() == [(400, -1, 2), (200, 2, 4), (300, 4, None)]


def test_terms_that_begin_at_once_end_the_others_at_that_very_instant(on_sale):
    sell(300, AT_ONCE)

    before, after = stored()
    assert before.ends_at == after.begins_at


def test_terms_end_at_once_or_later(on_sale):
    apply(end_terms(terms=terms(400), ends_at=day(3), now=NOW))
    assert periods() == [(400, -1, 3)]

    apply(end_terms(terms=terms(400), ends_at=None, now=NOW))
    assert periods() == [(400, -1, 0)]


def test_what_was_truncated_for_terms_that_are_cancelled_goes_on(on_sale):
    sell(300, day(2))

    apply(cancel_terms(terms=terms(300), now=NOW))

    assert periods() == [(400, -1, None)]


def test_what_was_removed_for_terms_that_are_cancelled_comes_after_all(on_sale):
    sell(300, day(3), groups=("General",))
    before = stored()
    sell(200, day(2), day(5))
    assert periods() == [(400, -1, 2), (200, 2, 5), (300, 5, None)]

    apply(cancel_terms(terms=terms(200), now=NOW))

    assert periods() == [(400, -1, 3), (300, 3, 5), (300, 5, None)]
    assert stored()[1] == replace(before[1], ends_at=day(5))


REFUSED = {
    "begin in the past": ({"begins": YESTERDAY}, "Terms begin in the future, or at once"),
    "end before they begin": ({"begins": day(2), "ends": day(1)}, "Terms must end after they begin."),
    "end in the past, from now": ({"begins": AT_ONCE, "ends": YESTERDAY}, "Terms must end after they begin."),
}


@pytest.mark.parametrize(("period", "words"), REFUSED.values(), ids=REFUSED)
def test_terms_do_not(period, words, on_sale):
    with pytest.raises(ValidationError, match=words):
        sell(300, **period)

    assert periods() == [(400, -1, None)]


def test_terms_do_not_end_in_the_past_or_before_they_begin_or_twice(on_sale):
    sell(300, day(2))
    ended = PackageTerms(begins_at=day(-9), ends_at=YESTERDAY)

    for held, ends_at, words in (
        (terms(400), YESTERDAY, "Terms end in the future"),
        (terms(300), day(1), "scheduled to begin then or later: cancel them"),
        (terms(300), None, "scheduled to begin then or later: cancel them"),
        (ended, None, "have ended already"),
    ):
        with pytest.raises(ValidationError, match=words):
            end_terms(terms=held, ends_at=ends_at, now=NOW)


def test_terms_that_have_begun_are_not_cancelled(on_sale):
    with pytest.raises(ValidationError, match="only their end can still be moved"):
        cancel_terms(terms=terms(400), now=NOW)
