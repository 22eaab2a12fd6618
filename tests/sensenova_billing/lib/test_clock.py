"""The clock runs fast and off for tests; the database's, by which hours close, is never off."""

import datetime as dt

import pytest
from django.utils import timezone

from sensenova_billing.checks import check_clock
from sensenova_billing.lib import clock
from usage.billing_hours import database_now

ORIGIN = dt.datetime(2026, 11, 23, 10, 30, tzinfo=dt.UTC)
SECOND, HOUR = dt.timedelta(seconds=1), dt.timedelta(hours=1)


@pytest.fixture
def fast(settings):
    settings.CLOCK_SPEED, settings.CLOCK_ORIGIN = 3600, ORIGIN


def test_the_clock_is_the_machines_own():
    before = timezone.now()

    assert before <= clock.now() <= timezone.now()


def test_on_a_fast_clock_a_second_is_an_hour(fast):
    assert clock.fast(ORIGIN) == ORIGIN
    assert clock.fast(ORIGIN + 2 * SECOND) == ORIGIN + 2 * HOUR


def test_one_process_may_be_an_hour_off(settings):
    settings.CLOCK_OFFSET = -HOUR
    before = timezone.now()

    assert before <= clock.now() + HOUR <= timezone.now()


@pytest.mark.django_db
def test_the_databases_clock_runs_as_fast_but_is_never_off(fast, settings):
    settings.CLOCK_OFFSET = HOUR
    before = clock.fast(timezone.now())

    assert before <= database_now() <= clock.fast(timezone.now())


@pytest.mark.parametrize("wrong", [{"CLOCK_SPEED": 3600}, {"CLOCK_OFFSET": HOUR}])
def test_a_wrong_clock_is_refused_outside_tests(settings, wrong):
    assert check_clock() == []
    for name, value in wrong.items():
        setattr(settings, name, value)

    assert [error.id for error in check_clock()] == ["billing.E004"]

    settings.CLOCK_MAY_BE_WRONG = True
    assert check_clock() == []
