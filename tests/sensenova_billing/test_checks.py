"""Settings with which a promise would not hold are named before anything runs."""

import datetime as dt
from decimal import Decimal

import pytest
from django.core.checks import run_checks


@pytest.fixture(autouse=True)
def production(settings):
    """The provider for development, which tests use, is not for here."""
    settings.PAYMENT_PROVIDER = ""


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


def test_an_unknown_rule_of_refunds_is_named(settings):
    settings.PACKAGE_REFUNDS = "all"

    assert ids() == {"billing.E008"}


def test_an_unknown_way_to_go_on_without_redis_is_named(settings):
    settings.CALL_LIMITS_WITHOUT_REDIS = "unlimited"

    assert ids() == {"billing.E005"}


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://db.example.com",
        "redis.example.com:6379",
        "REDIS://redis.example.com",
        "redis://redis.example.com:65536",
        "redis://:xq7/z@redis.example.com:6379",
        "redis://[::1",
        "redis://redis.example.com?max_connections=many",
        "redis://redis.example.com?patience=1",
    ],
)
def test_an_address_that_is_no_redis_is_named_without_its_password(settings, url):
    settings.REDIS_URL = url

    messages = [str(found) for found in run_checks() if found.id == "billing.E006"]

    assert ids() == {"billing.E006"}
    assert len(messages) == 1
    assert "xq7" not in messages[0]


def test_addresses_of_a_redis_are_in_order(settings):
    for url in (
        "redis://:secret@redis.example.com:6379/1",
        "rediss://redis.example.com",
        "unix:///run/redis",
    ):
        settings.REDIS_URL = url

        assert ids() == set()


def test_no_patience_with_redis_and_too_much_are_named(settings):
    for milliseconds in (0, 60_000):
        settings.REDIS_TIMEOUT = dt.timedelta(milliseconds=milliseconds)

        assert ids() == {"billing.E007"}


@pytest.mark.parametrize("rate", ["6", "1", "-0.01"])
def test_a_tax_rate_in_per_cent_is_refused(settings, rate):
    settings.TAX_RATE = Decimal(rate)

    assert ids() == {"billing.E009"}


def test_an_alarm_address_that_is_none_is_named(settings):
    settings.ALARM_MAIL = ["ops@example.com", "nowhere"]

    assert ids() == {"billing.E010"}


@pytest.mark.parametrize(("provider", "debug"), [("fake", False), ("stripe", True), ("paypal", True)])
def test_a_payment_provider_that_takes_no_money_is_named(settings, provider, debug):
    settings.PAYMENT_PROVIDER, settings.DEBUG = provider, debug

    assert ids() == {"billing.E034"}


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [("SELLER_COUNTRY", "China", "billing.E015"), ("EINVOICE_TAX_CODE", "304", "billing.E016")],
)
def test_what_no_einvoice_can_say_is_named(settings, name, value, found):
    setattr(settings, name, value)

    assert ids() == {found}
