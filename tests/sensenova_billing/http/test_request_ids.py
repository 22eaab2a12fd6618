"""Each request has an id: in its response, in every error, in every line of the log."""

import io
import json
import logging
import re

import pytest
from celery import shared_task
from django.test import Client, RequestFactory

from sensenova_billing.http.errors import busy
from sensenova_billing.lib.logs import JsonFormatter, add_origin
from sensenova_billing.urls import urlpatterns

pytestmark = pytest.mark.django_db

MADE = re.compile(r"[0-9a-f]{32}")


@pytest.fixture
def lines():
    """What is logged as JSON from now on."""
    handler, stream = logging.StreamHandler(io.StringIO()), io.StringIO()
    handler.setStream(stream)
    handler.addFilter(add_origin)
    handler.setFormatter(JsonFormatter())
    logging.getLogger().addHandler(handler)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logging.getLogger().removeHandler(handler)


@pytest.fixture
def broken(monkeypatch):
    """A browser, and a page that fails."""
    view = next(one for one in urlpatterns if getattr(one, "name", "") == "prices")
    monkeypatch.setattr(view, "callback", lambda request: 1 // 0)
    return Client(raise_request_exception=False)


def test_a_sane_id_is_kept_and_any_other_is_replaced(client):
    assert (
        client.get("/healthz", headers={"x-request-id": "gw-7/ab:c"}).headers["X-Request-ID"] == "gw-7/ab:c"
    )
    for given in ("", "a b", "<script>", "x" * 129, "名", "a\nb"):
        assert MADE.fullmatch(client.get("/healthz", headers={"x-request-id": given}).headers["X-Request-ID"])


def test_every_error_of_the_api_has_the_id(client, post):
    for answer in (
        post("not json"),
        client.get("/api/v1/bills"),
        client.get("/api/v1/nothing"),
        client.get("/api/v1/usage", headers={"host": "elsewhere.example"}),
        client.post("/api/v1/usage", data=b"", content_type="application/json", HTTP_CONTENT_ENCODING="odd"),
    ):
        assert answer.status_code >= 400
        assert answer.json()["error"]["request_id"] == answer.headers["X-Request-ID"] != ""


def test_a_request_that_is_refused_because_of_too_many_has_one_too():
    environ = RequestFactory().get("/api/v1/usage", headers={"x-request-id": "r1"}).environ

    answer = busy(environ)

    assert json.loads(answer.content)["error"]["request_id"] == answer.headers["X-Request-ID"] == "r1"


def test_the_page_of_a_failure_and_its_log_lines_show_the_id(broken, lines):
    page = broken.get("/prices", headers={"x-request-id": "seen-by-a-person"})

    assert (page.status_code, page.headers["X-Request-ID"]) == (500, "seen-by-a-person")
    assert "<code>seen-by-a-person</code>" in page.content.decode()
    (line,) = lines()
    assert (line["request_id"], line["level"], line["logger"]) == (
        "seen-by-a-person",
        "ERROR",
        "django.request",
    )
    assert "ZeroDivisionError" in line["exception"]


def test_log_lines_of_a_task_have_its_id_and_name(lines):
    @shared_task(name="tests.says_something")
    def says_something():
        logging.getLogger("tests").info("计费 %s", 1)

    says_something.apply(task_id="task-1")

    (line,) = (line for line in lines() if line["logger"] == "tests")
    assert (line["message"], line["task_id"], line["task"]) == ("计费 1", "task-1", "tests.says_something")
    assert "request_id" not in line
