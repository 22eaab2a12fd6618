import datetime as dt

import pytest

from accounts.keys import issue_service_key, recognise_service_key, revoke_service_key, rotate_service_key
from accounts.models import Scope, ServiceKey
from tests.builders import as_json, report
from usage.models import UsageRecord

pytestmark = pytest.mark.django_db

A_MINUTE = dt.timedelta(minutes=1)


def shown(text):
    """The header that shows this key."""
    return {"Authorization": f"Bearer {text}"}


def test_a_key_without_the_scope_may_not_report_usage(acme, post):
    _, text = issue_service_key(name="reader", scopes=[Scope.BILLING_READ])

    answer = post(as_json(report()), **shown(text))

    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "missing_scope"
    assert not UsageRecord.objects.exists()


def test_a_limited_key_reports_for_its_customers(acme, globex, post):
    _, text = issue_service_key(name="acme's gateway", customers=[acme])

    answer = post(as_json(report()), **shown(text))

    assert answer.json() == {"accepted": 1, "duplicates": 0}


def test_a_limited_key_learns_nothing_of_other_customers(acme, globex, post):
    _, text = issue_service_key(name="acme's gateway", customers=[acme])

    of_globex = post(as_json(report(customer="globex")), **shown(text))
    of_nobody = post(as_json(report(customer="nobody")), **shown(text))

    assert (of_globex.status_code, of_globex.content) == (422, of_nobody.content)
    assert not UsageRecord.objects.exists()


def test_a_batch_with_one_foreign_customer_is_refused_whole(acme, globex, post):
    _, text = issue_service_key(name="acme's gateway", customers=[acme])

    answer = post([as_json(report("a")), as_json(report("b", customer="globex"))], **shown(text))

    assert [detail["index"] for detail in answer.json()["error"]["details"]] == [1]
    assert not UsageRecord.objects.exists()


def test_a_second_key_has_the_rights_of_the_first_and_both_are_live(acme, now):
    first, text = issue_service_key(name="gateway", scopes=[Scope.CALLS_ADMIT], customers=[acme])

    second, other_text = rotate_service_key(key=first)

    assert (second.name, second.scopes, list(second.customers.all())) == ("gateway", ["calls:admit"], [acme])
    assert [recognise_service_key(text=shown, now=now) for shown in (text, other_text)] == [first, second]


def test_a_revoked_key_fails_on_the_next_request(acme, post, now):
    key, text = issue_service_key(name="gateway")
    assert post(as_json(report()), **shown(text)).status_code == 200

    revoke_service_key(key=key, now=now)

    assert post(as_json(report("next")), **shown(text)).status_code == 401


def test_the_last_use_is_noted_to_the_minute(now):
    key, text = issue_service_key(name="gateway")

    for seconds in (0, 59, 61):
        recognise_service_key(text=text, now=now + dt.timedelta(seconds=seconds))

    assert ServiceKey.objects.get(pk=key.pk).last_used_at == now + A_MINUTE + dt.timedelta(seconds=1)


def test_a_wrong_secret_is_not_a_use(now):
    key, text = issue_service_key(name="gateway")

    found = recognise_service_key(text=text[:-1] + ("A" if text[-1] != "A" else "B"), now=now)

    assert found is None
    assert ServiceKey.objects.get(pk=key.pk).last_used_at is None
