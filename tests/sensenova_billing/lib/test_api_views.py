"""The base class of the API's endpoints."""

import gc
import json
import logging
import weakref

import pytest
from django.test import RequestFactory
from django.test.client import ClientHandler
from django.urls import resolve

from accounts.api_keys.keys import issue_service_key
from accounts.models import Scope

pytestmark = pytest.mark.django_db


@pytest.fixture
def without_collector():
    """Without the collector, reference cycles stay. The tests' own log would hold requests."""
    gc.disable()
    logging.disable()
    yield
    logging.disable(logging.NOTSET)
    gc.enable()


@pytest.fixture
def post(db, acme):
    """Post what a gateway asks, and return what the web server would get."""
    resolve("/healthz")  # imports all views; a library that one of them needs keeps the frames of its import
    key = issue_service_key(name="gateway", scopes=[Scope.CALLS_ADMIT, Scope.USAGE_WRITE])[1]
    factory = RequestFactory(HTTP_AUTHORIZATION=f"Bearer {key}")

    def post(path, **body):
        sent = factory.post(path, json.dumps(body), content_type="application/json").environ
        return ClientHandler()(sent)

    return post


CALL = {"customer": "acme", "service": "SenseChat-5", "estimated_tokens": 1}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/v1/calls", CALL, 200),
        ("/api/v1/calls", CALL | {"estimated_tokens": 10**9}, 429),
        ("/api/v1/calls", CALL | {"customer": "nobody"}, 422),
        ("/api/v1/usage", {}, 422),
        ("/api/v1/estimates", {}, 400),
    ],
)
def test_a_request_is_gone_with_its_answer_and_does_not_wait_for_the_collector(
    post, without_collector, path, body, status
):
    answer = post(path, **body)
    seen, is_as_expected = weakref.ref(answer.wsgi_request), answer.status_code == status

    del answer

    assert is_as_expected
    assert seen() is None
