"""A receiver, and a clock that a test sets."""

import datetime as dt

import pytest

from sensenova_billing.lib import clock
from tests.accounts.webhooks.receiver import listening


@pytest.fixture
def receiver():
    """Takes webhooks of Acme."""
    with listening() as receiver:
        yield receiver


@pytest.fixture
def pass_time(monkeypatch):
    """Set the clock forward."""

    def pass_time(span: dt.timedelta) -> dt.datetime:
        instant = clock.now() + span
        monkeypatch.setattr("sensenova_billing.lib.clock.now", lambda: instant)
        return instant

    return pass_time
