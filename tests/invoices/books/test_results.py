"""The command that verifies the books, and the results that are kept."""

import datetime as dt
from io import StringIO

import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.db import IntegrityError

from accounts.models import Customer
from invoices.books.results import verify_last_day
from invoices.closing.close import close_hour
from invoices.models import Verification
from invoices.tasks import verify_last_day as verify_last_day_task
from tests.builders import THE_HOUR, at, raw_record, record, report
from tests.invoices.books.builders import alter, keep_books
from usage.models import HOUR

pytestmark = pytest.mark.django_db

DAY = dt.timedelta(days=1)
# Some hours before midnight in Shanghai, that midnight, and half past three of that night: the same each day.
FIRST_HOUR = dt.datetime(2026, 3, 2, 10, tzinfo=dt.UTC)
MIDNIGHT = dt.datetime(2026, 3, 2, 16, tzinfo=dt.UTC)
NIGHT = MIDNIGHT + dt.timedelta(hours=3, minutes=30)


def verify(*arguments):
    """Run the command; return its exit status and what it said."""
    said = StringIO()
    try:
        call_command("verify_books", *arguments, stdout=said)
    except CommandError as error:
        return error.returncode, said.getvalue()
    return 0, said.getvalue()


def close_up_to(instant):
    """One call in FIRST_HOUR, and every hour closed that ended at this instant or before."""
    record(report(occurred_at=FIRST_HOUR), now=FIRST_HOUR + HOUR)
    close_hours(FIRST_HOUR, instant)


def close_hours(begin, end):
    """Close the hours from one instant to another, each five minutes after its end."""
    for number in range((end - begin) // HOUR):
        hour = begin + number * HOUR
        close_hour(hour=hour, now=hour + HOUR + dt.timedelta(minutes=5))


def verified(night):
    """What the clock stores in a night."""
    before = Verification.objects.count()
    verify_last_day(now=night)
    assert Verification.objects.count() == before + 1
    return Verification.objects.latest()


# --- The command -----------------------------------------------------------------------------------


def test_the_command_says_what_it_checked(acme):
    keep_books()

    status, said = verify()

    span = f"{THE_HOUR:%Y-%m-%d %H:%M} to {at(0, hour=2):%Y-%m-%d %H:%M} UTC"
    checked = f"{span}: 2 hours, 2 records, 2 bills, 4 lines"
    assert (status, checked in said, said.splitlines()[-1]) == (0, True, "No finding.")


def test_a_finding_is_told_with_its_place_and_in_the_exit_status(acme):
    keep_books()
    alter("usage_usagerecord", "input_tokens = 900", where="event_id = 'call-0'")

    status, said = verify()

    place = f"{THE_HOUR:%Y-%m-%d %H:%M} UTC, {THE_HOUR:%Y%m%dT%HZ}-acme, line "
    assert (status, f"billed twice: {place}" in said) == (1, True)


def test_of_many_findings_the_first_hundred_are_told(acme):
    keep_books()
    for n in range(1, 103):
        raw_record(customer=Customer(pk=acme.pk + n), input_tokens=7)

    status, said = verify()

    assert (status, said.count("unbilled: "), said.splitlines()[-1]) == (1, 100, "... and 2 more.")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--from", "yesterday"),
        ("--from", "2026-01-31T18:00"),
        ("--to", "2026-01-31T18:30Z"),
    ],
)
def test_what_is_no_whole_hour_is_refused(arguments):
    with pytest.raises(CommandError, match="argument --(from|to)"):
        call_command("verify_books", *arguments)


def test_a_span_that_ends_before_it_begins_is_refused():
    assert verify("--from", "2026-01-31T18:00Z", "--to", "2026-01-31T18:00Z") == (2, "")


def test_a_span_without_a_closed_hour_has_no_finding():
    status, said = verify("--to", "2026-01-31T18:00Z")

    assert (status, "No hour of that span is closed." in said) == (0, True)


def test_the_command_stores_nothing_unless_it_is_asked_to(acme):
    keep_books()

    verify()
    nothing = Verification.objects.count()
    verify("--record", "--rerate")

    assert (nothing, Verification.objects.count()) == (0, 1)


# --- Each night ------------------------------------------------------------------------------------


def test_each_night_the_day_that_ended_is_verified(acme):
    close_up_to(MIDNIGHT + HOUR)

    result = verified(NIGHT)

    assert (result.from_hour, result.until_hour) == (FIRST_HOUR, MIDNIGHT)
    assert (result.records, result.findings, result.first_findings) == (1, 0, [])


def test_a_second_run_of_a_night_adds_nothing(acme):
    close_up_to(MIDNIGHT)
    verify_last_day(now=NIGHT)

    again = verify_last_day(now=NIGHT + HOUR)

    assert (again, Verification.objects.count()) == (None, 1)


def test_findings_of_the_night_are_kept(acme):
    close_up_to(MIDNIGHT)
    raw_record(input_tokens=7, occurred_at=FIRST_HOUR, billing_hour=FIRST_HOUR)

    result = verified(NIGHT)

    assert result.findings == len(result.first_findings) > 0
    assert result.first_findings[0]["hour"] == f"{FIRST_HOUR:%Y-%m-%d %H:%M}"


def test_hours_that_close_after_the_night_are_verified_in_the_next(acme):
    close_up_to(MIDNIGHT - HOUR)
    first = verified(NIGHT)
    close_hours(MIDNIGHT - HOUR, MIDNIGHT + DAY)

    second = verified(NIGHT + DAY)

    assert first.until_hour == MIDNIGHT - HOUR == second.from_hour
    assert second.until_hour == MIDNIGHT + DAY


def test_without_a_closed_hour_nothing_is_stored():
    assert verify_last_day(now=NIGHT) is None


def test_the_clock_rings_for_it_and_the_queue_lets_it_go_at_once():
    rings = django_settings.CELERY_BEAT_SCHEDULE["verify the last day"]

    assert rings["task"] == verify_last_day_task.name
    assert verify_last_day_task.acks_late is False


def test_a_result_is_never_changed(acme):
    keep_books()
    verify("--record")

    with pytest.raises(IntegrityError, match="never changed"):
        Verification.objects.update(findings=0)
