"""Limits supersede those of the same period, at once or scheduled; scheduled ones can be cancelled."""

import datetime as dt
import re

import pytest
from django.core.exceptions import ValidationError

from accounts.models import AuditEntry
from pricing.changes.apply import ChangesRefused, database_time
from pricing.changes.limit_commands import (
    add_limits,
    cancel_limits,
    specifications_of,
    without_default_from,
)
from pricing.models import CallSpecification, Service
from tests.tables import table

pytestmark = pytest.mark.django_db

TODAY = dt.datetime.now(dt.UTC)  # day 1 of the tables
WORKED = table("call-limits.md", "added", "there before", "there after")


def instant(text):
    """A day of the tables; now and no end are none."""
    return None if text in {"now", ""} else TODAY + dt.timedelta(days=int(text) - 1)


def periods(cell):
    """E.g. `60 RPM 0-2, 70 RPM 2-` as the RPM, the beginning and the end of each."""
    return re.findall(r"(\d+) RPM (\w+)-(\w*)", cell)


@pytest.fixture
def service():
    return Service.objects.get(name="SenseChat-5")


@pytest.fixture
def limit(service, acme):
    """Lay limits over Acme's own, each time for a reason of its own."""

    def limit(rpm, begins="now", ends="", *, customer=acme, **fields):
        return add_limits(
            **{"service": service, "customer": customer, "rpm": rpm, "tpm": None, "by": "operator"}
            | {"begins_at": instant(begins), "ends_at": instant(ends), "reason": f"{rpm} from {begins}"}
            | fields
        )

    return limit


@pytest.fixture
def there(service, acme):
    """What there is for Acme, or for everybody, as the tables write it; `now` is when `laid` began."""

    def there(laid=None, customer=acme):
        def day(at):
            if at is None:
                return ""
            if laid and at == laid.specification.begins_at and at < TODAY + dt.timedelta(hours=1):
                return "now"
            return str((at - TODAY).days + 1)

        held = specifications_of(service=service, customer=customer)
        return ", ".join(f"{one.rpm} RPM {day(one.begins_at)}-{day(one.ends_at)}" for one in held)

    return there


@pytest.mark.parametrize(("added", "before", "after"), WORKED)
def test_what_is_added_is_laid_over_what_is_there(added, before, after, limit, there, service, acme):
    for rpm, begins, ends in periods(before):
        CallSpecification.objects.create(
            service=service, customer=acme, rpm=rpm, begins_at=instant(begins), ends_at=instant(ends)
        )
    ((rpm, begins, ends),) = periods(added)

    laid = limit(int(rpm), begins, ends)

    assert there(laid) == after


def test_the_default_and_other_customers_stay(limit, there, globex):
    limit(7, customer=globex)
    default = there(customer=None)

    limit(90)

    assert (there(customer=None), CallSpecification.objects.get(customer=globex).ends_at) == (default, None)


def test_what_ends_at_once_ends_at_the_very_instant_at_which_the_other_begins(limit, service):
    before = database_time()

    laid = limit(90, customer=None)

    old, new = specifications_of(service=service, customer=None)
    assert old.ends_at == new.begins_at == laid.specification.begins_at
    assert before <= new.begins_at <= database_time()


def test_both_the_new_and_the_old_are_signed_with_the_reason(limit):
    old, new = limit(60).specification, limit(90, reason="They asked.").specification

    told = {
        (entry.row, entry.deed, entry.by)
        for entry in AuditEntry.objects.filter(table="pricing_callspecification", reason="They asked.")
    }
    assert told == {(str(old.pk), "changed", "operator"), (str(new.pk), "added", "operator")}


def test_limits_do_not_begin_in_the_past(limit):
    with pytest.raises(ValidationError, match="in the future, or at once"):
        limit(90, "0")


@pytest.mark.parametrize(("begins", "ends"), [("now", "0"), ("3", "2"), ("3", "3")])
def test_limits_end_after_they_begin(begins, ends, limit):
    with pytest.raises(ValidationError, match="must end after it begins"):
        limit(90, begins, ends)


def test_limits_that_the_database_refuses_leave_everything_as_it_was(limit, there):
    limit(60)
    before = there()

    with pytest.raises(ChangesRefused, match="1970 to 8999"):
        limit(90, ends_at=dt.datetime(9500, 1, 1, tzinfo=dt.UTC))

    assert there() == before


# --- Taking back --------------------------------------------------------------------------------------


def cancel(laid):
    return cancel_limits(specification=laid.specification, by="operator", reason="Not needed.")


def test_what_was_cut_for_limits_that_are_taken_back_goes_on(limit, there):
    first = limit(60)
    scheduled = limit(90, "3")

    cancel(scheduled)

    assert there(first) == "60 RPM now-"


def test_what_was_to_end_anyway_still_ends(limit, there):
    first = limit(60, ends="3")
    scheduled = limit(90, "3")

    cancel(scheduled)

    assert there(first) == "60 RPM now-3"


def test_what_was_removed_for_limits_that_are_taken_back_comes_after_all(limit, there):
    first = limit(60)
    limit(70, "4")
    scheduled = limit(90, "3", "9")
    assert there(first) == "60 RPM now-3, 90 RPM 3-9, 70 RPM 9-"

    cancel(scheduled)

    assert there(first) == "60 RPM now-4, 70 RPM 4-9, 70 RPM 9-"


def test_a_default_that_is_taken_back_leaves_no_gap_whatever_the_trail_tells(limit, there, service):
    limit(80, "3", "5", customer=None)
    resumes = CallSpecification.objects.get(service=service, begins_at=instant("5"))

    cancel_limits(specification=resumes, by="operator", reason="80 stays.")

    assert there(customer=None).endswith("-3, 80 RPM 3-")
    assert without_default_from(service=service, now=TODAY) is None


def test_what_has_begun_or_is_gone_is_not_taken_back(limit):
    begun, scheduled = limit(60), limit(90, "3")
    cancel(scheduled)

    for laid in (begun, scheduled):
        with pytest.raises(ValidationError, match="not scheduled any more"):
            cancel(laid)


def test_a_service_without_a_default_is_bare_from_when_the_last_one_ends(limit, service):
    limit(90, "3", "5", customer=None)
    specifications_of(service=service, customer=None).filter(ends_at=None).update(ends_at=instant("9"))

    assert without_default_from(service=service, now=TODAY) == instant("9")
