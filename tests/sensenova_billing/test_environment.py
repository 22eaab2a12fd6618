"""Numbers in the environment are read as everywhere, and a mistake names its variable."""

from decimal import Decimal

import pytest
from django.core.exceptions import ImproperlyConfigured

from sensenova_billing.environment import Environment


@pytest.mark.parametrize(("text", "number"), [("", 8), ("12", 12), ("-60", -60), ("10,000", 10_000)])
def test_a_whole_number_is_read(text, number, monkeypatch):
    monkeypatch.setenv("WEB_THREADS", text)

    assert Environment().int("WEB_THREADS", default=8) == number


@pytest.mark.parametrize("text", ["1_0", "1e3", "１２", "1.0", "+5", "--5", "many"])
def test_what_is_no_whole_number_is_refused_by_the_name_of_its_variable(text, monkeypatch):
    monkeypatch.setenv("WEB_THREADS", text)

    with pytest.raises(ImproperlyConfigured, match="WEB_THREADS is"):
        Environment().int("WEB_THREADS", default=8)


def test_a_decimal_number_is_read(monkeypatch):
    monkeypatch.setenv("ALARM_LATE_SHARE", "0.1")

    assert Environment().decimal("ALARM_LATE_SHARE", default=Decimal("0.05")) == Decimal("0.1")
    assert Environment().decimal("NOT_SET_AT_ALL", default=Decimal("0.05")) == Decimal("0.05")


@pytest.mark.parametrize("text", ["1_0", "1e3", "NaN", "Infinity", "０.１", "5 %"])
def test_what_is_no_decimal_number_is_refused_by_the_name_of_its_variable(text, monkeypatch):
    monkeypatch.setenv("ALARM_LATE_SHARE", text)

    with pytest.raises(ImproperlyConfigured, match="ALARM_LATE_SHARE is"):
        Environment().decimal("ALARM_LATE_SHARE", default=Decimal("0.05"))


@pytest.mark.parametrize("key", ["$cz1-of-django's-own-alphabet", "$SECRET_KEY", r"\$a", "", " a "])
def test_a_secret_is_taken_as_it_is_set(key, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", key)

    assert Environment().secret("SECRET_KEY") == key


def test_a_secret_that_is_not_set_is_nothing(monkeypatch):
    monkeypatch.delenv("SECRET_KEY", raising=False)

    assert Environment().secret("SECRET_KEY") == ""
