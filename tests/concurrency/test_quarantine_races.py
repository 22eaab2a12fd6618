"""Two people decide on the same usage in quarantine at once."""

from threading import Barrier

import pytest
from django.db import transaction

from tests.builders import at
from tests.concurrency.threads import PATIENCE, together, wait_until_waiting
from tests.usage.quarantine.builders import in_quarantine
from usage.models import QuarantinedUsage
from usage.quarantine import decide
from usage.quarantine.decide import NotStored, dismiss_quarantined, store_quarantined

pytestmark = pytest.mark.django_db(transaction=True)


def store(held):
    """What the one does."""
    try:
        store_quarantined(pk=held.pk, by="one", reason="a", now=at(90), service="SenseChat-5")
    except NotStored:
        return "too late"
    return "stored"


def dismiss(held):
    """What the other does."""
    try:
        dismiss_quarantined(pk=held.pk, by="other", reason="b", now=at(90))
    except NotStored:
        return "too late"
    return "dismissed"


@pytest.fixture
def held(acme):
    return in_quarantine()


def test_only_one_of_two_decisions_is_made(held):
    with together() as people, transaction.atomic():
        QuarantinedUsage.objects.select_for_update().get(pk=held.pk)
        deciding = [people.start(lambda: store(held)), people.start(lambda: dismiss(held))]
        wait_until_waiting(1, locktype="transactionid")
        wait_until_waiting(1, locktype="tuple")
    outcomes = [one.result(PATIENCE) for one in deciding]

    assert outcomes.count("too late") == 1
    assert QuarantinedUsage.objects.get().state in outcomes


def test_without_the_lock_both_would_be_made(held, monkeypatch):
    both_have_read = Barrier(2)

    def read_unlocked(pk):
        found = QuarantinedUsage.objects.select_related("key").get(pk=pk)
        both_have_read.wait(PATIENCE)
        return found

    monkeypatch.setattr(decide, "_waiting", read_unlocked)
    with together() as people:
        deciding = [people.start(lambda: store(held)), people.start(lambda: dismiss(held))]

    assert [one.result(PATIENCE) for one in deciding] == ["stored", "dismissed"]
