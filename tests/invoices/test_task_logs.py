"""What the worker's log says of each task: which hour was closed, what was parked, what was verified."""

import logging
import re
from decimal import Decimal

import pytest

from accounts.models import Customer
from invoices.books.results import store_verification
from invoices.books.verify import verify_books
from invoices.closing.close import ClosedHour, close_due_hours
from invoices.tasks import close_due_hours as closing_task
from invoices.tasks import log_verification
from invoices.tasks import verify_last_day as verification_task
from tests.builders import THE_HOUR, at, raw_record, record, report
from tests.invoices.books.builders import alter, keep_books
from usage.tasks import forget_calls

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def info(caplog):
    """The level of the worker."""
    caplog.set_level(logging.INFO)


def lines(caplog):
    """Each line with its level; how long it took is left out."""
    return [
        (record.levelname, re.sub(r"in \d+\.\d{3} s", "in ... s", record.getMessage()))
        for record in caplog.records
        if record.name.endswith("tasks")
    ]


def test_the_log_says_which_hour_was_closed_and_what_came_of_it(acme, caplog):
    record(report(), report("call-2"))

    closing_task()

    made = f"{THE_HOUR:%Y-%m-%d %H:%M} UTC: 2 records, 1 bills, 2 lines, 0.18 RMB, in ... s"
    assert lines(caplog)[0] == ("INFO", f"Closed the hour {made}")


def test_the_log_says_what_was_parked_and_why(acme, globex, caplog, settings):
    settings.PARK_ABOVE_AMOUNT = Decimal(1)
    record(report(), report("much", customer="globex", input_tokens=50_000))

    closing_task()

    level, text = lines(caplog)[0]
    assert level == "WARNING"
    assert text.endswith("in ... s; parked: globex (2.05 RMB in an hour is more than 1 RMB)")


def test_a_parked_customer_that_is_not_known_is_named_by_its_number(acme, caplog):
    raw_record(customer=Customer(pk=acme.pk + 1_000), input_tokens=7)

    closing_task()

    assert lines(caplog)[0][1].endswith(f"parked: {acme.pk + 1_000} (There is no such customer)")


def test_of_very_many_parked_hours_the_log_names_the_first():
    parked = (("acme", "It looks wrong."), ("globex", "So does this."))
    made = ClosedHour(THE_HOUR, 0, 0, 0, 1_002, Decimal(0), parked)

    assert str(made).endswith("; parked: acme (It looks wrong), globex (So does this), 1,000 more")


def test_the_log_says_nothing_where_nothing_was_due(caplog):
    closing_task()
    verification_task()
    forget_calls()

    assert lines(caplog) == []


def test_each_hour_that_is_closed_is_told_by_itself(acme):
    told: list[ClosedHour] = []
    keep_books(hours=1)
    record(report("next", occurred_at=at(70)), now=at(71))

    closed = close_due_hours(now=at(65, hour=2), on_closed=told.append)

    assert [made.hour for made in told] == [at(0, hour=1), at(0, hour=2)]
    assert told == closed


def test_the_log_says_what_was_verified(acme, caplog):
    keep_books(hours=2)

    log_verification(store_verification(verified=verify_books(), now=at(5, hour=2)))

    span = f"{THE_HOUR:%Y-%m-%d %H:%M} to {at(0, hour=2):%Y-%m-%d %H:%M} UTC"
    totals = "2 hours, 2 records, 2 bills, 4 lines, no findings, in ... s"
    assert lines(caplog) == [("INFO", f"Verified the hours {span}: {totals}")]


def test_books_that_are_not_in_order_are_an_error_in_the_log(acme, caplog):
    keep_books()
    alter("invoices_hourlybill", "customer_name = 'Another'")

    log_verification(store_verification(verified=verify_books(), now=at(5, hour=2)))

    ((level, text),) = lines(caplog)
    assert (level, "2 findings" in text) == ("ERROR", True)


def test_celery_adds_no_lines_of_its_own_unless_a_task_fails():
    for name in ("celery.app.trace", "celery.worker.strategy"):
        logger = logging.getLogger(name)
        assert (logger.isEnabledFor(logging.INFO), logger.isEnabledFor(logging.ERROR)) == (False, True)
