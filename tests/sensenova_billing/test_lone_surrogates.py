r"""JSON can say half of a surrogate pair (`"\ud800"`), UTF-8 cannot: such a body is refused."""

import json

import pytest
from django.test import Client

from accounts.keys import issue_service_key
from accounts.models import Scope
from tests.builders import THE_HOUR
from usage.models import UsageRecord

pytestmark = pytest.mark.django_db

LONE = "\ud800"
MOMENT = THE_HOUR.isoformat()
REPORT = {
    "event_id": "a", "customer": "acme", "service": "SenseChat-5", "occurred_at": MOMENT, "input_tokens": 1,
    "metadata": {"user": "u"}, "call_id": "c", "input_text": "",
}  # fmt: skip
CLOUD_EVENT = {
    "specversion": "1.0", "type": "t", "source": "s", "id": "a", "subject": "acme", "time": MOMENT,
    "data": {"model": "SenseChat-5", "tokens": 1, "type": "input"},
}  # fmt: skip
LAGO_EVENT = {
    "transaction_id": "a", "external_subscription_id": "acme", "code": "llm_input_tokens", "timestamp": "1",
    "precise_total_amount_cents": "1", "properties": {"model": "SenseChat-5", "value": 1},
}  # fmt: skip
PAYLOAD = {
    "id": "a", "status": "success", "end_user": "acme", "model": "SenseChat-5", "model_group": "SenseChat-5",
    "endTime": 1.5, "prompt_tokens": 1, "metadata": {"user_api_key_end_user_id": "acme"},
}  # fmt: skip
BODIES = {
    "/api/v1/usage": REPORT,
    "/api/v1/calls": {"customer": "acme", "service": "SenseChat-5", "estimated_tokens": 1, "call_id": "c"},
    "/api/v1/reversals": {"customer": "acme", "event_id": "a", "reason": "wrong"},
    "/api/v1/estimates": {"usage": [{"service": "SenseChat-5", "input_tokens": 1}], "at": MOMENT},
    "/api/v1/events": CLOUD_EVENT,
    "/lago/api/v1/events": {"event": LAGO_EVENT},
    "/lago/api/v1/events/batch": {"events": [LAGO_EVENT]},
    "/api/v1/litellm": PAYLOAD,
}
EACH_ENDPOINT = pytest.mark.parametrize("path", BODIES)


@pytest.fixture
def send(acme):
    _, key = issue_service_key(name="gateway", scopes=[Scope.USAGE_WRITE, Scope.CALLS_ADMIT])
    client = Client(headers={"Authorization": f"Bearer {key}"}, raise_request_exception=False)
    return lambda path, body: client.post(path, json.dumps(body), content_type="application/json")


def everywhere(value):
    """Yield this JSON value with the lone surrogate as each of its values and keys in turn."""
    yield LONE
    if isinstance(value, dict):
        yield value | {LONE: 1}
        for name, inner in value.items():
            yield from (value | {name: replaced} for replaced in everywhere(inner))
            yield {LONE if key == name else key: kept for key, kept in value.items()}
    if isinstance(value, list):
        yield [*value, LONE]
        for index, inner in enumerate(value):
            yield from ([*value[:index], replaced, *value[index + 1 :]] for replaced in everywhere(inner))


@EACH_ENDPOINT
@pytest.mark.parametrize("body", [LONE, [LONE], [[LONE]], {LONE: LONE}, {"event": LONE, "events": LONE}])
def test_a_body_that_is_nothing_else_is_refused(path, body, send):
    assert send(path, body).status_code in {400, 422}


@EACH_ENDPOINT
def test_wherever_it_stands_in_a_body_the_answer_is_no_fault(path, send):
    answers = [send(path, body).status_code for body in everywhere(BODIES[path])]

    assert len(answers) > 5
    assert {400, 422} & set(answers)
    assert not [answer for answer in answers if answer >= 500]
    assert not [stored for stored in UsageRecord.objects.all() if LONE in repr(vars(stored))]
