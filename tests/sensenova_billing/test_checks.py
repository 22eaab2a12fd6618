"""Settings with which a promise would not hold are named before anything runs."""

import datetime as dt

from django.core.checks import run_checks


def ids():
    """What the system checks complain of, by id."""
    return {found.id for found in run_checks() if found.id and found.id.startswith("billing.")}


def test_the_settings_as_they_come_are_in_order():
    assert ids() == set()


def test_an_alarm_that_would_ring_each_hour_is_named(settings):
    settings.ALARM_UNCLOSED_AFTER = settings.CLOSING_GRACE

    assert ids() == {"billing.W001"}


def test_a_negative_grace_is_named(settings):
    settings.CLOSING_GRACE = dt.timedelta(minutes=-1)

    assert ids() == {"billing.E002"}
