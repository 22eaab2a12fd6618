"""Asking over HTTP whether a call is within its limits: what is answered, and what is refused."""

import base64
import datetime as dt
import re
from collections import Counter

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts.api_keys.keys import issue_service_key, revoke_service_key
from accounts.models import Customer, Scope
from pricing.models import BillingItem, CallSpecification, Price, Service, ServiceAlias
from tests.builders import as_json, report
from tests.request_ids import content_without_id
from tests.tables import code, table
from usage.limits.stores.choice import call_windows
from usage.limits.stores.windows import SettledCall
from usage.models import AdmittedCall, CallWindow, RefusedCalls

pytestmark = pytest.mark.django_db

NAME = "SenseChat-5"
PARTITION = b"acme/SenseChat-5"
LONG_AGO = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


@pytest.fixture
def gateway():
    """The key of a gateway that may ask."""
    return issue_service_key(name="gateway", scopes=[Scope.CALLS_ADMIT])[1]


@pytest.fixture
def ask(gateway, acme):
    """Ask for a call of 1,000 tokens by Acme, as the gateway does."""

    def ask(key=None, body=None, **fields):
        asked = {"customer": "acme", "service": NAME, "estimated_tokens": 1000} | fields
        asked = {name: value for name, value in asked.items() if value is not None}
        return Client().post(
            reverse("api_calls"),
            asked if body is None else body,
            content_type="application/json",
            headers={"Authorization": f"Bearer {key or gateway}"},
        )

    return ask


@pytest.fixture
def release(gateway):
    """Release a call, as the gateway does."""

    def release(call_id, key=None, **query):
        return Client().delete(
            reverse("api_call", args=[call_id]),
            headers={"Authorization": f"Bearer {key or gateway}"},
            query_params=query,
        )

    return release


def limit(rpm, tpm=None, *, code="acme", service=NAME, begins_at=LONG_AGO):
    """Let these be a customer's own limits."""
    return CallSpecification.objects.create(
        service=Service.objects.get(name=service),
        customer=Customer.objects.get(code=code),
        rpm=rpm,
        tpm=tpm,
        begins_at=begins_at,
    )


def moved_on(window, *, seconds):
    """What a window would hold if all of it had happened so many seconds later."""
    places = [(place - seconds) % len(window.calls) for place in range(len(window.calls))]
    calls = [window.calls[place] for place in places]
    tokens = [window.tokens[place] for place in places]
    return {"second": window.second + seconds, "calls": calls, "tokens": tokens}


def rfc_3339(second):
    return dt.datetime.fromtimestamp(second, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_until(instant):
    return (dt.datetime.fromisoformat(instant) - dt.datetime.now(dt.UTC)).total_seconds()


# What the draft uses of Structured Fields (RFC 9651): a list of strings, and their parameters.
BARE_ITEM = r'0|-?[1-9]\d{0,14}|"[\x20\x21\x23-\x5b\x5d-\x7e]*"|:[A-Za-z0-9+/]*={0,2}:'
PARAMETER = rf"; *([a-z*][a-z0-9_.*-]*)=({BARE_ITEM})"
MEMBER = rf'"([a-z]+)"((?:{PARAMETER})+)'


def structured(header):
    """The policies of a header of the draft, each with its parameters; fails if it is not well-formed."""
    assert re.fullmatch(rf"{MEMBER}(?:[ \t]*,[ \t]*{MEMBER})*", header)
    return {
        found[1]: {name: bare_item(value) for name, value in re.findall(PARAMETER, found[2])}
        for found in re.finditer(MEMBER, header)
    }


def bare_item(text):
    if text.startswith(":"):
        return base64.b64decode(text[1:-1], validate=True)
    return text[1:-1] if text.startswith('"') else int(text)


def new_service():
    return Service.objects.create(name="nova-2", group=Service.objects.get(name=NAME).group, position=99)


def refused(answer):
    return answer.status_code, answer.json()["error"]["code"]


def test_a_call_within_the_limits_is_admitted_and_told_what_is_left(ask):
    limit(60, 100_000)

    answer = ask(call_id="call-1")

    said = answer.json()
    assert answer.status_code == 200
    assert (said["call_id"], said["customer"], said["service"]) == ("call-1", "acme", NAME)
    assert said["limits"] == {"requests": 60, "tokens": 100_000}
    assert said["remaining"] == {"requests": 59, "tokens": 99_000}
    assert answer.headers["x-ratelimit-limit-requests"] == "60"
    assert answer.headers["x-ratelimit-remaining-requests"] == "59"
    assert answer.headers["x-ratelimit-reset-requests"] == "61s"
    assert answer.headers["x-ratelimit-limit-tokens"] == "100000"
    assert answer.headers["x-ratelimit-remaining-tokens"] == "99000"
    assert answer.headers["x-ratelimit-reset-tokens"] == "61s"


def test_a_clock_that_was_set_back_makes_no_caller_wait_for_it(ask):
    limit(1)
    ask()
    CallWindow.objects.update(**moved_on(CallWindow.objects.get(), seconds=30))

    answer = ask()

    (moment,) = answer.json()["error"]["details"]
    assert 59 <= moment["retry_after_seconds"] <= 61
    assert seconds_until(moment["retry_at"]) <= 61
    assert 59 <= int(answer.headers["x-ratelimit-reset-requests"].removesuffix("s")) <= 61


def test_while_calls_may_be_lost_none_is_admitted_and_the_answer_tells_until_when(ask):
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE usage_windowstore")

    answers = [ask() for _ in range(2)]

    assert [answer.status_code for answer in answers] == [503, 503]
    assert [answer.json()["error"]["code"] for answer in answers] == ["limits_unavailable"] * 2
    assert {answer.headers["Retry-After"] for answer in answers} == {"59"}
    (moment,) = answers[0].json()["error"]["details"]
    assert 59 <= moment["retry_after_seconds"] <= 61
    assert seconds_until(moment["retry_at"]) <= 61
    assert not AdmittedCall.objects.exists()


def test_it_resets_when_the_last_call_has_left_the_window(ask):
    said = ask().json()

    (call,) = AdmittedCall.objects.all()
    leaves = dt.datetime.fromtimestamp(call.second + 61, dt.UTC)
    assert dt.datetime.fromisoformat(said["resets_at"]["requests"]) == leaves


def test_where_no_tpm_is_stated_only_calls_are_limited(ask):
    limit(60)

    answer = ask(estimated_tokens=10**15)

    assert answer.status_code == 200
    assert (answer.json()["limits"]["tokens"], answer.json()["remaining"]["tokens"]) == (None, None)
    assert "x-ratelimit-limit-tokens" not in answer.headers


def test_without_an_id_the_answer_brings_one(ask):
    first, second = (ask().json()["call_id"] for _ in range(2))

    assert first != second
    assert AdmittedCall.objects.filter(call_id__in=[first, second]).count() == 2


def test_the_same_call_is_admitted_once(ask):
    limit(1)

    answers = [ask(call_id="call-1") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert {answer.json()["remaining"]["requests"] for answer in answers} == {0}


def test_beyond_the_rpm_a_call_is_refused_until_the_first_has_left(ask):
    limit(2)
    ask(), ask()

    answer = ask()

    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["type"]) == (429, "rpm_exhausted", "rate_limit_error")
    assert f"{NAME} accepts 2 calls in any 60 seconds" in error["message"]
    leaves = AdmittedCall.objects.earliest("second").second + 61
    seconds = leaves - CallWindow.objects.get().second
    assert error["details"] == [{"retry_at": rfc_3339(leaves), "retry_after_seconds": seconds}]
    assert error["message"].endswith(f"Retry in {seconds} seconds.")
    assert answer.headers["x-ratelimit-remaining-requests"] == "0"


@pytest.mark.parametrize(("passed", "heeded"), [(0, 59), (1, 59), (2, 59), (3, 58), (59, 2)])
def test_no_client_is_told_to_wait_longer_than_it_would(ask, passed, heeded):
    """A burst fills the RPM, and the next call comes so many seconds later."""
    limit(2)
    ask(), ask()
    CallWindow.objects.update(**moved_on(CallWindow.objects.get(), seconds=-passed))

    assert int(ask().headers["Retry-After"]) in {heeded, heeded - 1}  # or another second has passed


def test_limits_are_told_as_the_draft_of_the_ietf_says(ask):
    limit(60, 100_000)

    answer = ask()

    assert structured(answer.headers["RateLimit-Policy"]) == {
        "rpm": {"q": 60, "w": 60, "pk": PARTITION},
        "tpm": {"q": 100_000, "w": 60, "qu": "tokens", "pk": PARTITION},
    }
    assert structured(answer.headers["RateLimit"]) == {
        "rpm": {"r": 59, "t": 61, "pk": PARTITION},
        "tpm": {"r": 99_000, "t": 61, "pk": PARTITION},
    }


def test_headers_of_the_draft_of_a_refusal_never_outlast_its_retry_after(ask):
    limit(1, 100_000)
    ask()

    answer = ask()

    rpm, tpm = structured(answer.headers["RateLimit"]).values()
    assert (rpm["r"], tpm["r"]) == (0, 99_000)
    assert rpm["t"] == tpm["t"] == int(answer.headers["Retry-After"]) <= 59
    assert structured(answer.headers["RateLimit-Policy"])["rpm"]["q"] == 1


def test_without_a_tpm_headers_of_the_draft_name_the_rpm_alone(ask):
    limit(60)

    answer = ask()

    assert [*structured(answer.headers["RateLimit"])] == ["rpm"]
    assert [*structured(answer.headers["RateLimit-Policy"])] == ["rpm"]


def test_a_gateway_tells_the_limits_of_its_customers_apart(ask, globex):
    answers = [ask(), ask(service="SenseChat"), ask(customer="globex")]

    partitions = [structured(answer.headers["RateLimit"])["rpm"]["pk"] for answer in answers]
    assert partitions == [PARTITION, b"acme/SenseChat", b"globex/SenseChat-5"]


def test_beyond_the_tpm_a_call_is_refused_and_consumes_nothing(ask):
    limit(60, 2500)
    ask(), ask()

    assert refused(ask()) == (429, "tpm_exhausted")
    assert ask(estimated_tokens=500).status_code == 200


def test_a_call_that_never_fits_is_told_so_and_not_to_ask_again(ask):
    limit(60, 500)

    answer = ask()

    assert refused(answer) == (429, "never_within_limits")
    assert "a call of 1,000 is never admitted" in answer.json()["error"]["message"]
    assert answer.headers["x-should-retry"] == "false"
    assert "Retry-After" not in answer.headers
    assert answer.json()["error"]["details"] == []
    assert structured(answer.headers["RateLimit-Policy"])["tpm"]["q"] == 500


def test_a_refusal_writes_no_line_into_the_log(ask, caplog):
    limit(1)
    ask(), ask()
    ask(customer="nobody")

    assert [record.status_code for record in caplog.records if record.name == "django.request"] == [422]


def test_refusals_are_counted_without_a_row_for_each(ask):
    limit(1)
    for _ in range(5):
        ask()

    (counted,) = RefusedCalls.objects.all()
    assert (counted.refusal, counted.calls) == ("rpm_exhausted", 4)


def test_a_service_is_found_by_an_alias_and_counts_as_itself(ask):
    limit(1)
    ServiceAlias.objects.create(alias="chat", service=Service.objects.get(name=NAME))

    assert ask(service="chat").json()["service"] == NAME
    assert refused(ask()) == (429, "rpm_exhausted")


def test_a_customers_own_limits_come_before_the_default(ask, acme, globex):
    default = CallSpecification.objects.get(service__name=NAME, customer=None)
    limit(3)

    assert [ask().status_code for _ in range(4)] == [200, 200, 200, 429]
    assert ask(customer="globex").json()["limits"] == {"requests": default.rpm, "tokens": default.tpm}


def test_a_changed_limit_holds_after_a_second(ask, monkeypatch):
    ask()
    limit(1)
    later = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=1)
    monkeypatch.setattr("usage.limits.api.clock.now", lambda: later)

    assert refused(ask()) == (429, "rpm_exhausted")


def test_limits_that_an_admin_changes_at_once_hold_within_two_seconds(ask, operator_client, monkeypatch):
    before = ask().json()["limits"]
    sent = {"service": Service.objects.get(name=NAME).pk, "rpm": 90, "tpm": 5000, "reason": "They asked."}
    sent |= dict.fromkeys(["begins_at_0", "begins_at_1", "ends_at_0", "ends_at_1"], "")
    operator_client.post(reverse("admin:pricing_callspecification_add"), sent)
    within_two_seconds = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=2)
    monkeypatch.setattr("usage.limits.api.clock.now", lambda: within_two_seconds)

    after = ask().json()["limits"]

    assert before == {"requests": 60, "tokens": 128_000}
    assert after == {"requests": 90, "tokens": 5000}


def test_who_is_suspended_has_no_call_admitted(ask, acme):
    Customer.objects.filter(pk=acme.pk).update(is_suspended=True)

    assert refused(ask()) == (403, "customer_suspended")


def test_what_is_not_on_sale_is_not_admitted(ask):
    limit(5, service=new_service().name)

    assert refused(ask(service="nova-2")) == (403, "service_not_on_sale")


def test_what_is_on_sale_only_later_is_not_admitted_yet(ask):
    item = BillingItem.objects.create(service=new_service(), measure="input_tokens")
    Price.objects.create(billing_item=item, unit_price=1, begins_at=dt.datetime(2099, 1, 1, tzinfo=dt.UTC))
    limit(5, service="nova-2")

    assert refused(ask(service="nova-2")) == (403, "service_not_on_sale")


def test_what_has_no_call_specification_is_not_admitted_without_limits(ask):
    item = BillingItem.objects.create(service=new_service(), measure="input_tokens")
    Price.objects.create(billing_item=item, unit_price=1, begins_at=LONG_AGO)

    assert refused(ask(service="nova-2")) == (403, "no_call_specification")


def test_a_free_service_is_limited_too(ask):
    assert Price.objects.filter(billing_item__service__name="SenseChat-Vision", kind="free_trial").exists()
    limit(1, service="SenseChat-Vision")

    assert [ask(service="SenseChat-Vision").status_code for _ in range(2)] == [200, 429]


@pytest.mark.parametrize("call_id", ["a/b", "/a", "a//b", "a b", "...", "é?x#y%2F"])
def test_whatever_the_id_the_call_can_be_released(ask, release, call_id):
    ask(call_id=call_id)

    assert release(call_id).json() == {"call_id": call_id, "state": "released"}


def test_however_many_rights_are_kept_every_call_has_its_own(ask, monkeypatch):
    monkeypatch.setattr("usage.limits.entitlements.MOST_CACHED", 1)

    assert [ask(service=name).status_code for name in (NAME, "SenseChat", NAME)] == [200, 200, 200]


def test_a_call_is_released_and_may_be_made_after_all(ask, release):
    limit(1)
    ask(call_id="call-1")

    answers = [release("call-1") for _ in range(2)]

    assert [(answer.status_code, answer.json()) for answer in answers] == [
        (200, {"call_id": "call-1", "state": "released"})
    ] * 2
    assert ask(call_id="call-2").status_code == 200
    assert refused(ask(call_id="call-1")) == (429, "rpm_exhausted")


def test_what_was_never_admitted_cannot_be_released(release):
    assert refused(release("call-1")) == (404, "unknown_call")


def test_the_id_of_a_call_of_another_service_is_taken(ask):
    ask(call_id="call-1")

    assert refused(ask(call_id="call-1", service="SenseChat")) == (409, "call_id_taken")


def test_an_id_that_another_customer_uses_is_free(ask, release, acme, globex):
    theirs = issue_service_key(name="globex's", scopes=[Scope.CALLS_ADMIT], customers=[globex])[1]
    ask(call_id="call-1", estimated_tokens=5)

    answer = ask(key=theirs, call_id="call-1", customer="globex")

    assert (answer.status_code, answer.json()["call_id"]) == (200, "call-1")
    assert release("call-1", key=theirs).status_code == 200
    assert dict(AdmittedCall.objects.values_list("customer", "state")) == {
        acme.pk: "held",
        globex.pk: "released",
    }


def test_a_key_of_several_customers_names_the_customer_of_a_call_of_both(ask, release, acme, globex):
    for customer in ("acme", "globex"):
        ask(call_id="call-1", customer=customer)
    ask(call_id="call-2", customer="globex")

    unclear = release("call-1")

    assert refused(unclear) == (422, "invalid_call")
    assert unclear.json()["error"]["details"][0]["field"] == "customer"
    assert [release("call-1", customer="acme").status_code, release("call-2").status_code] == [200, 200]
    assert set(AdmittedCall.objects.values_list("call_id", "customer", "state")) == {
        ("call-1", acme.pk, "released"),
        ("call-1", globex.pk, "held"),
        ("call-2", globex.pk, "released"),
    }


def test_a_limited_key_learns_nothing_of_the_customers_beyond_it(ask, release, acme, globex):
    initech = Customer.objects.create(code="initech", name="Initech")
    limited = issue_service_key(name="two", scopes=[Scope.CALLS_ADMIT], customers=[acme, initech])[1]
    ask(call_id="call-1", customer="globex")
    unknown = content_without_id(release("call-0", key=limited, customer="globex"))

    answers = [
        release("call-1", key=limited, **query)
        for query in ({}, {"customer": "globex"}, {"customer": "acme"}, {"customer": "nobody"})
    ]

    assert [(answer.status_code, content_without_id(answer)) for answer in answers] == [(404, unknown)] * 4
    for call_id, customer in (("call-1", "acme"), ("call-2", "initech")):
        ask(call_id=call_id, customer=customer)
        assert release(call_id, key=limited).status_code == 200
    assert AdmittedCall.objects.get(customer=globex).state == "held"


@pytest.mark.parametrize("query", [{"customer": ""}, {"customers": "acme"}, {"customer": ["acme", "globex"]}])
def test_a_release_that_names_no_customer_rightly_is_refused(ask, release, query):
    ask(call_id="call-1")

    assert release("call-1", **query).status_code == 400
    assert AdmittedCall.objects.get().state == "held"


def test_usage_settles_the_call_of_its_own_customer(ask, post, acme, globex):
    for customer in ("acme", "globex"):
        ask(call_id="call-1", customer=customer)

    post([as_json(report(), call_id="call-1")])

    states = dict(AdmittedCall.objects.values_list("customer", "state"))
    assert states == {acme.pk: "settled", globex.pk: "held"}


def test_the_id_of_a_call_with_another_estimate_is_taken(ask):
    ask(call_id="call-1", estimated_tokens=1)

    assert refused(ask(call_id="call-1", estimated_tokens=2400)) == (409, "call_id_taken")


def test_a_call_whose_usage_was_reported_is_not_admitted_again(ask):
    ask(call_id="call-1")
    call_windows().settle([SettledCall(Customer.objects.get(code="acme").pk, "call-1", 7)])

    assert refused(ask(call_id="call-1")) == (409, "call_settled")


def test_a_limited_key_asks_and_releases_only_for_its_customers(ask, release, acme, globex):
    limited = issue_service_key(name="acme's", scopes=[Scope.CALLS_ADMIT], customers=[acme])[1]
    ask(call_id="call-1", customer="globex")

    assert ask(key=limited).status_code == 200
    said = [ask(key=limited, customer=name) for name in ("globex", "nobody")]
    assert content_without_id(said[0]) == content_without_id(said[1])
    assert said[0].json()["error"]["details"][0]["reason"] == "this key may not admit calls of this customer"
    assert refused(release("call-1", key=limited)) == (404, "unknown_call")
    assert AdmittedCall.objects.get(call_id="call-1").state == "held"


@pytest.mark.parametrize("scope", [Scope.USAGE_WRITE, Scope.BILLING_READ])
def test_without_the_scope_nothing_is_admitted_or_released(ask, release, scope):
    key = issue_service_key(name="other", scopes=[scope])[1]

    assert refused(ask(key=key)) == (403, "missing_scope")
    assert refused(release("call-1", key=key)) == (403, "missing_scope")


def test_a_key_that_has_expired_admits_nothing_from_that_instant_on(ask, monkeypatch):
    expires_at = dt.datetime.now(dt.UTC) + dt.timedelta(milliseconds=900)
    _, text = issue_service_key(name="gateway-2", scopes=[Scope.CALLS_ADMIT], expires_at=expires_at)
    ask(key=text)
    monkeypatch.setattr("accounts.api_keys.authentication.clock.now", lambda: expires_at)

    assert ask(key=text).status_code == 401


def test_a_key_that_is_revoked_admits_nothing_after_a_second(ask, monkeypatch):
    key, text = issue_service_key(name="gateway-2", scopes=[Scope.CALLS_ADMIT])
    ask(key=text)
    now = dt.datetime.now(dt.UTC)
    revoke_service_key(key=key, now=now)
    monkeypatch.setattr("accounts.api_keys.authentication.clock.now", lambda: now + dt.timedelta(seconds=1))

    assert ask(key=text).status_code == 401


def test_without_a_key_nothing_is_admitted(ask):
    assert ask(key="sk_live_unknown").status_code == 401
    assert Client().post(reverse("api_calls")).status_code == 401


@pytest.mark.parametrize(("body", "status", "where"), table("call-limits.md", "body", "status", "named"))
def test_every_bad_value_is_refused(ask, body, status, where):
    answer = ask(body=code(body))

    details = answer.json()["error"]["details"]
    assert answer.status_code == int(status)
    assert (details[0]["field"] if details else "") == where.strip("`")
    assert not AdmittedCall.objects.exists()


def test_who_asks_again_within_a_second_asks_the_database_once_for_a_call(ask, monkeypatch):
    """For the windows; the key, and what the customer may, are read once a second."""
    now = dt.datetime.now(dt.UTC)
    monkeypatch.setattr("usage.limits.api.clock.now", lambda: now)
    ask()
    before = statements()

    ask()

    assert [name for name in statements() - before if "pg_prepared" not in name] == ["hold_windows"]


def statements():
    """How often each prepared statement was run over this connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement, generic_plans + custom_plans FROM pg_prepared_statements")
        found = [(re.search(r"FROM (\w+)", text), runs) for text, runs in cursor.fetchall()]
        return Counter({match[1]: runs for match, runs in found if match})
