r"""JSON can say half of a surrogate pair (`"\ud800"`), UTF-8 cannot: such a body is refused."""

import json

import pytest
from django.test import Client

from accounts.api_keys.keys import issue_service_key
from accounts.models import Scope
from tests.builders import THE_HOUR
from tests.valid_bodies import valid_bodies
from usage.models import UsageRecord

pytestmark = pytest.mark.django_db

LONE = "\ud800"
BODIES = valid_bodies(moment=THE_HOUR.isoformat())
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
            yield {LONE if key == name else key: old for key, old in value.items()}
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
