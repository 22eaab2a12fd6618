"""The clock of pages and endpoints."""

import pytest

from accounts.models import Member, MemberRole
from tests.builders import at


@pytest.fixture
def clock(monkeypatch):
    """Put the clock to an instant; twenty to the hour after THE_HOUR unless a test says otherwise."""

    def put(instant):
        monkeypatch.setattr("sensenova_billing.lib.clock.now", lambda: instant)

    put(at(40))
    return put


@pytest.fixture
def alice_views(alice):
    """Alice sees Acme's pages and buys nothing."""
    Member.objects.filter(user=alice).update(role=MemberRole.VIEWER)
    return alice


@pytest.fixture
def unused_is_refunded(settings):
    """What is left of a package is refunded within seven days."""
    settings.PACKAGE_REFUNDS = "unused"
