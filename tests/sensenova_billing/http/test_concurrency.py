"""A request whose body is still arriving blocks no other request."""

import io
import threading

import pytest
from django.http import HttpResponse

from sensenova_billing.http import concurrency
from sensenova_billing.http.concurrency import ConcurrencyLimit
from sensenova_billing.http.errors import busy


class SlowBody(io.RawIOBase):
    """Gives its byte when it is let."""

    def __init__(self):
        self.read_called, self.arrives = threading.Event(), threading.Event()

    def read(self, size=-1):
        self.read_called.set()
        assert self.arrives.wait(10)
        return b"x"


@pytest.fixture
def limited(monkeypatch):
    """An application that reads its body, one request at a time."""
    monkeypatch.setattr(concurrency, "SECONDS_FOR_A_SLOT", 0.01)

    def application(environ, start_response):
        start_response("200 OK", [])
        return [environ["wsgi.input"].read(1)]

    return ConcurrencyLimit(application, requests=1, busy=busy)


def ask(application, path="/prices", body=None, **headers):
    started = []
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "wsgi.input": body or io.BytesIO(b"x"),
        **headers,
    }
    content = b"".join(application(environ, lambda status, headers: started.append((status, dict(headers)))))
    return (*started[0], content)


def test_others_are_answered_while_a_body_is_on_its_way(limited):
    body = SlowBody()
    slow = threading.Thread(target=ask, args=[limited], kwargs={"body": body})
    slow.start()
    assert body.read_called.wait(10)

    assert ask(limited)[0] == "200 OK"
    body.arrives.set()
    slow.join(10)
    assert ask(limited)[0] == "200 OK"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/usage", "503 Service Unavailable"),
        ("/prices", "503 Service Unavailable"),
        ("/api/v1/calls", "200 OK"),
        ("/healthz", "200 OK"),
        ("/readyz", "200 OK"),
    ],
)
def test_work_that_goes_on_keeps_others_waiting_but_no_health_check_and_no_admission(path, status):
    begun, ends = threading.Event(), threading.Event()

    def application(environ, start_response):
        start_response("200 OK", [])
        if environ["PATH_INFO"] == "/overview":
            begun.set()
            assert ends.wait(10)
        return [b""]

    limited = ConcurrencyLimit(application, requests=1, busy=busy)
    working = threading.Thread(target=ask, args=[limited, "/overview"])
    working.start()
    assert begun.wait(10)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(concurrency, "SECONDS_FOR_A_SLOT", 0.01)
        answer = ask(limited, path)
    ends.set()
    working.join(10)

    assert answer[0] == status
    assert status.startswith("200") or answer[1]["Retry-After"] == "5"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/prices", "同时处理的请求过多，未执行任何操作，请重试。"),
        ("/api/v1/usage", "Too many requests at once."),
    ],
)
def test_that_too_much_is_going_on_is_said_in_the_language_of_the_browser(limited, path, said):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(concurrency.Slots, "acquire", lambda slots, seconds=None: False)
        _, _, page = ask(limited, path, HTTP_ACCEPT_LANGUAGE="zh-CN")

    assert said in page.decode()


def test_a_request_that_fails_gives_its_slot_back():
    def failing(environ, start_response):
        raise ValueError

    limited = ConcurrencyLimit(failing, requests=1, busy=lambda environ: HttpResponse(status=503))
    for _ in range(2):
        with pytest.raises(ValueError):  # noqa: PT011
            ask(limited)
