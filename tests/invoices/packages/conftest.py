"""The clock of pages and endpoints, who may only look, and the books after a test."""

from collections.abc import Iterator

import pytest

from accounts.models import Member, MemberRole
from invoices.books.rerun import repeat_rating
from invoices.books.verify import verify_books
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
def verified_afterwards(db: None) -> Iterator[None]:
    """At the end of the test its books verify, and rating them again gives the same lines."""
    yield
    findings = verify_books(besides=repeat_rating).findings.first
    assert [f"{one.hour} {one.bill} {one.what}: {one.text}" for one in findings] == []
