"""How LiteLLM's proxy is admitted, refused, released and reported, whatever kind of call it is."""

import pytest

from accounts.models import Customer
from tests.clients.litellm_proxy import BROKEN, KEY_OF, NEEDS_PROXY, bearer, limit, stored_tokens, until
from usage.models import UsageRecord

pytestmark = NEEDS_PROXY
CHAT = {"model": "SenseChat-5", "messages": [{"role": "user", "content": "a secret"}]}


def used(answer, service="SenseChat-5"):
    """What the caller was told that its call used."""
    usage = answer.json()["usage"]
    return (service, usage["prompt_tokens"], usage["completion_tokens"])


KINDS = {
    "chat": ("/v1/chat/completions", CHAT),
    "text completion": ("/v1/completions", {"model": "SenseChat-5", "prompt": ["a", "b"]}),
    "embeddings": ("/v1/embeddings", {"model": "nova-embedding-stable", "input": ["a", "b"]}),
    "no log asked for": ("/v1/chat/completions", CHAT | {"no-log": True}),
    "metadata of their own": (
        "/v1/chat/completions",
        CHAT | {"litellm_metadata": {}, "metadata": {"a": "b"}},
    ),
}


@pytest.mark.parametrize(("path", "body"), KINDS.values(), ids=KINDS)
def test_a_call_is_admitted_and_reported(path, body, proxy):
    limit(60, service=body["model"])

    answer = proxy.post(path, **body)

    assert answer.status_code == 200, answer.text
    assert answer.headers["x-ratelimit-remaining-requests"] == "59"
    until(stored_tokens)
    assert stored_tokens() == [used(answer, body["model"])]


def test_a_stream_is_reported_once_it_has_ended(proxy):
    answer = proxy.post(**CHAT, stream=True, stream_options={"include_usage": True})

    assert answer.text.rstrip().endswith("data: [DONE]")
    until(stored_tokens)
    ((_, input_tokens, output_tokens),) = stored_tokens()
    assert f'"prompt_tokens":{input_tokens}' in answer.text
    assert f'"completion_tokens":{output_tokens}' in answer.text


def test_who_pays_is_whom_the_key_names_and_not_whom_the_caller_names(proxy):
    answer = proxy.post(**CHAT | {"user": "globex"}, headers=bearer(f"{KEY_OF}{proxy.customer}"))

    assert answer.status_code == 200, answer.text
    until(stored_tokens)
    assert UsageRecord.objects.get().customer.code == proxy.customer


def test_a_call_settles_what_was_held_for_it(proxy):
    limit(60, 1_100)
    first = proxy.post(**CHAT)  # holds 1,000 tokens for the answer, and uses some 30
    assert first.status_code == 200, first.text

    second = until(lambda: (answer := proxy.post(**CHAT)).is_success and answer)

    assert int(second.headers["x-ratelimit-remaining-tokens"]) < 100
    until(lambda: len(stored_tokens()) == 2)


def test_a_call_beyond_the_limits_gets_our_refusal(proxy):
    limit(1)
    assert proxy.post(**CHAT).status_code == 200
    until(stored_tokens)

    answer = proxy.post(**CHAT)

    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 61
    assert answer.headers["x-ratelimit-limit-requests"] == "1"
    error = answer.json()["error"]
    assert error["type"] == "rate_limit_error"
    assert error["provider_specific_fields"]["error"]["code"] == "rpm_exhausted"
    assert error["message"] == error["provider_specific_fields"]["error"]["message"]


def test_a_call_that_fails_is_released(proxy):
    limit(1, service=BROKEN)

    failed = proxy.post(**CHAT | {"model": BROKEN})

    assert failed.is_server_error, failed.text
    # Admitted again, and failing again, instead of 429.
    until(lambda: proxy.post(**CHAT | {"model": BROKEN}).is_server_error)
    assert stored_tokens() == []


def test_the_model_that_answered_is_paid_for(proxy):
    limit(1, service=BROKEN)

    answer = proxy.post(**CHAT | {"model": BROKEN}, fallbacks=["SenseChat-5"])

    assert answer.status_code == 200, answer.text
    until(stored_tokens)
    assert stored_tokens() == [used(answer)]


def test_a_caller_cannot_pay_once_for_many_calls_by_naming_them_alike(proxy):
    for _ in range(2):
        answer = proxy.post(**CHAT, headers={"x-litellm-call-id": "always-the-same"})
        assert answer.headers["x-litellm-call-id"] == "always-the-same"

    until(lambda: len(stored_tokens()) == 2)


REFUSED = {
    "nobody's call": ({"user": ""}, 400, "no_customer"),
    "unknown customer": ({"user": "nobody"}, 422, None),
    "unknown model": ({"model": "SenseChat-5,SenseChat-5"}, 422, None),
    "suspended": ({}, 403, "customer_suspended"),
}


@pytest.mark.parametrize(("change", "status", "code"), REFUSED.values(), ids=REFUSED)
def test_a_call_that_may_not_be_made_is_refused(change, status, code, proxy):
    Customer.objects.update(is_suspended=code == "customer_suspended")

    answer = proxy.post(**CHAT | change)

    assert answer.status_code == status, answer.text
    assert code in (None, answer.json()["error"]["provider_specific_fields"]["error"]["code"])
    assert stored_tokens() == []


def test_no_call_is_made_while_nobody_admits_it(proxy, road):
    road.closed.add("/api/v1/calls")

    answer = proxy.post(**CHAT)

    assert answer.status_code == 503
    assert answer.json()["error"]["provider_specific_fields"]["error"]["code"] == "billing_away"


def test_usage_is_sent_until_it_is_answered(proxy, road):
    road.closed.add("/api/v1/usage")
    road.turned_away = 0
    answer = proxy.post(**CHAT)
    assert answer.status_code == 200
    until(lambda: road.turned_away >= 2)
    assert stored_tokens() == []

    road.closed.clear()

    until(stored_tokens)
    assert stored_tokens() == [used(answer)]


def test_usage_outlives_the_proxy(proxy, road):
    road.closed.add("/api/v1/usage")
    first = proxy.post(**CHAT)
    until(lambda: list(proxy.folder.glob("*.json")))

    proxy.kill()
    road.closed.clear()
    proxy.start()
    second = proxy.post(**CHAT)

    until(lambda: len(stored_tokens()) == 2)
    assert stored_tokens() == sorted([used(first), used(second)])


def test_calls_may_be_let_through_while_nobody_admits_them(proxy, road):
    proxy.kill()
    proxy.start(SENSENOVA_WHEN_AWAY="admit")
    road.closed.add("/api/v1/calls")

    answer = proxy.post(**CHAT)

    assert answer.status_code == 200, answer.text
    assert "x-ratelimit-limit-requests" not in answer.headers
    until(stored_tokens)
    assert stored_tokens() == [used(answer)]
