"""A customer's own keys act for that customer only, and what owners do with them is in the audit trail."""

import datetime as dt

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from accounts.api_keys.keys import issue_service_key, recognise_service_key
from accounts.audit.context import audit_context
from accounts.customer_keys import own_keys
from accounts.customer_keys.own_keys import KeyRefused, live_keys, make_key, revoke_key, rotate_key
from accounts.models import AuditEntry, Scope, ServiceKey
from tests.builders import as_json, report

pytestmark = pytest.mark.django_db

DAY = dt.timedelta(days=1)
ALICE = "alice@acme.example"


def make(customer, now, **fields):
    """Make a key that may report usage."""
    chosen = {"name": "gateway", "scopes": [Scope.USAGE_WRITE], "lasts": None, "public_id": ""}
    return make_key(customer=customer, by=ALICE, now=now, **(chosen | fields))


def test_an_own_key_acts_for_its_customer_and_for_nobody_else(acme, globex, now):
    _, text = make(acme, now)

    def post(customer):
        headers = {"Authorization": f"Bearer {text}"}
        sent = as_json(report(customer=customer))
        return Client().post("/api/v1/usage", sent, content_type="application/json", headers=headers)

    assert [post("acme").status_code, post("globex").status_code] == [200, 422]


def test_the_database_lets_an_own_key_act_for_no_other_customer(acme, globex, now):
    key, _ = make(acme, now)

    with pytest.raises(IntegrityError, match="acts for that customer only"), transaction.atomic():
        key.customers.add(globex)
    with pytest.raises(IntegrityError, match="acts for that customer only"), transaction.atomic():
        ServiceKey.objects.filter(pk=key.pk).update(customer=globex)
    with pytest.raises(IntegrityError, match="a_customers_own_key_is_limited"), transaction.atomic():
        ServiceKey.objects.filter(pk=key.pk).update(is_limited=False)


def test_a_key_of_staff_may_act_for_several_customers(acme, globex):
    """The control: only a customer's own key is kept to one."""
    key, _ = issue_service_key(name="gateway", customers=[acme])

    key.customers.add(globex)

    assert key.customers.count() == 2


@pytest.mark.parametrize("overlap", [DAY, 7 * DAY])
def test_after_a_rotation_both_keys_are_accepted_for_the_overlap(acme, now, overlap):
    key, old = make(acme, now)
    _, new = rotate_key(key=key, overlap=overlap, public_id="", by=ALICE, now=now)

    def accepted(at):
        return [recognise_service_key(text=text, now=at) is not None for text in (old, new)]

    assert accepted(now + overlap - dt.timedelta(seconds=1)) == [True, True]
    assert accepted(now + overlap) == [False, True]


def test_a_rotation_without_overlap_revokes_the_old_key(acme, now):
    key, old = make(acme, now)

    made, _ = rotate_key(key=key, overlap=dt.timedelta(0), public_id="", by=ALICE, now=now)

    assert recognise_service_key(text=old, now=now) is None
    assert (made.name, made.scopes, made.customer) == ("gateway", [Scope.USAGE_WRITE], acme)


def test_a_rotation_never_lengthens_the_life_of_the_old_key(acme, now):
    key, _ = make(acme, now, lasts=DAY)
    expires_at = key.expires_at

    made, _ = rotate_key(key=key, overlap=7 * DAY, public_id="", by=ALICE, now=now)

    key.refresh_from_db()
    assert key.expires_at == expires_at
    assert made.expires_at - now == expires_at - key.created_at


def test_a_revoked_key_is_not_rotated(acme, now):
    key, _ = make(acme, now)
    revoke_key(key=key, by=ALICE, now=now)

    with pytest.raises(KeyRefused):
        rotate_key(key=key, overlap=DAY, public_id="", by=ALICE, now=now)
    assert ServiceKey.objects.count() == 1


def test_a_customer_has_so_many_live_keys_and_no_more(acme, now, monkeypatch):
    monkeypatch.setattr(own_keys, "MOST_LIVE_KEYS", 2)
    key, _ = make(acme, now)
    make(acme, now)

    with pytest.raises(KeyRefused, match="2 keys already"):
        make(acme, now)
    revoke_key(key=key, by=ALICE, now=now)
    make(acme, now)

    assert live_keys(customer=acme, at=now).count() == 2


def test_all_that_is_done_with_keys_is_in_the_audit_trail(acme, now):
    with audit_context(by="setup"):
        key, _ = make(acme, now)
    rotate_key(key=key, overlap=DAY, public_id="", by=ALICE, now=now)
    revoke_key(key=key, by=ALICE, now=now)

    entries = AuditEntry.objects.filter(table="accounts_servicekey", by=ALICE).order_by("pk")
    assert [entry.deed for entry in entries] == ["added", "added", "changed", "changed"]
    assert all("secret_sha256" not in (entry.after or {}) for entry in entries)
