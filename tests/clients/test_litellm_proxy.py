"""LiteLLM's own proxy, with what lies in examples/litellm, before a running server of ours.

`make test-clients` installs it, in an environment of its own. Nothing leaves this machine: its models answer
by themselves.
"""

import datetime as dt
import os
import secrets
import shutil
import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from accounts.api_keys.keys import issue_service_key
from accounts.models import Customer, Scope, ServiceKey
from pricing.catalogue.initial import load_catalogue
from pricing.models import CallSpecification, Service
from usage.models import UsageRecord

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "litellm"
LITELLM = ROOT / ".venv" / "gateway" / "bin" / "litellm"
MASTER_KEY = f"sk-{secrets.token_hex(32)}"
SECONDS_TO_START = 120

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not LITELLM.exists(), reason="the proxy is not installed: make test-clients"),
]
# What no example should have: a model that fails, and a caller's fallback from it.
BROKEN = "SenseChat-32K"
BROKEN_MODEL = f"""model_list:
  - model_name: {BROKEN}
    litellm_params: {{model: openai/broken, api_key: none, mock_response: litellm.InternalServerError}}
"""
# Keys that name a customer; LiteLLM would keep them in a database of its own.
KEY_OF = "sk-of-"
KEYS = f"""
from litellm.proxy._types import UserAPIKeyAuth

async def recognise(request, api_key):
    whose = api_key.partition("{KEY_OF}")[2]
    return UserAPIKeyAuth(api_key=api_key, metadata={{"billing_customer": whose}} if whose else {{}})
"""
CHAT = {"model": "SenseChat-5", "messages": [{"role": "user", "content": "a secret"}]}


def until(what, seconds=40):
    """Wait until this is true, and return it: the proxy reports after it has answered.

    No longer than some 40 seconds, for in 60 a window would be empty by itself.
    """
    ends = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < ends, "it did not come true"
        time.sleep(0.1)
    return found


def bearer(key):
    """The header that shows a key to LiteLLM."""
    return {"Authorization": f"Bearer {key}"}


class Road(ThreadingHTTPServer):
    """Between the proxy and our server: it passes everything on, unless a path is closed."""

    daemon_threads = True

    def __init__(self, url):
        super().__init__(("127.0.0.1", 0), _Passing)
        self.button_to = url
        self.closed = set()
        self.turned_away = 0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class _Passing(BaseHTTPRequestHandler):
    server: Road

    def pass_on(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path in self.server.closed:
            self.server.turned_away += 1
            return  # the connection ends without an answer
        said = {name: self.headers[name] for name in ("Authorization", "Content-Type")}
        url = f"{self.server.button_to}{self.path}"
        answer = httpx.request(self.command, url, content=body, headers=said, timeout=60, trust_env=False)
        self.send_response(answer.status_code)
        for name, value in answer.headers.items():
            if name not in ("content-length", "connection", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    do_POST = do_DELETE = pass_on

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def road(live_server):
    """The way to our server."""
    with Road(live_server.url) as road:
        threading.Thread(target=road.serve_forever, daemon=True).start()
        yield road
        road.shutdown()


@pytest.fixture(scope="module")
def issued(django_db_setup, django_db_blocker):
    """The gateway's key: its row, which each test stores anew, and the text with which the proxy starts."""
    with django_db_blocker.unblock():
        key, text = issue_service_key(name="gateway", scopes=[Scope.USAGE_WRITE, Scope.CALLS_ADMIT])
        key.delete()
    return key, text


class Proxy:
    """LiteLLM's proxy as a process, started as docs/gateway.md says."""

    def __init__(self, *, url, key, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.customer = ""
        self.config = folder / "config.yaml"
        example = (EXAMPLE / "config.yaml").read_text()
        example = example.replace("model_list:\n", BROKEN_MODEL, 1)
        self.config.write_text(example + "  custom_auth: keys.recognise\n")
        (folder / "keys.py").write_text(KEYS)
        shutil.copy(EXAMPLE / "sensenova_billing_logger.py", folder)
        self.folder = folder / "usage"
        self.log = folder / "proxy.log"
        self.environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | {
            "SENSENOVA_BILLING_URL": url,
            "SENSENOVA_SERVICE_KEY": key,
            "SENSENOVA_USAGE_FOLDER": str(self.folder),
            "LITELLM_MASTER_KEY": MASTER_KEY,
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # it would fetch its list of prices otherwise
            "NO_PROXY": "127.0.0.1",
        }

    def start(self, **environment):
        options = {"--config": self.config, "--host": "127.0.0.1", "--port": str(self.port)}
        command = [LITELLM, *(word for option in options.items() for word in option)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, env=self.environment | environment, cwd=self.log.parent, stdout=log, stderr=log
            )
        until(self.is_ready, SECONDS_TO_START)

    def is_ready(self):
        assert self.process.poll() is None, self.log.read_text()
        try:
            return self.get("/health/readiness").is_success
        except httpx.TransportError:
            return False

    def kill(self):
        self.process.kill()
        self.process.wait()

    def get(self, path):
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=10, trust_env=False)

    def post(self, path="/v1/chat/completions", headers=None, **body):
        """Call a model for the customer of this test, unless the body names another `user`."""
        url = f"http://127.0.0.1:{self.port}{path}"
        body = {"user": self.customer} | body
        headers = bearer(MASTER_KEY) | (headers or {})
        return httpx.post(url, json=body, headers=headers, timeout=60, trust_env=False)


@pytest.fixture(scope="module")
def started(road, issued, tmp_path_factory):
    """The proxy, which takes a quarter of a minute to start."""
    proxy = Proxy(url=road.url, key=issued[1], folder=tmp_path_factory.mktemp("litellm"))
    proxy.start()
    yield proxy
    proxy.kill()


@pytest.fixture
def proxy(started, road, issued):
    """The same, with its key, a customer and the catalogue, which transactional tests do not find."""
    load_catalogue()
    # One for each test: for a second the server remembers what it has read of a customer.
    started.customer = f"acme-{secrets.token_hex(4)}"
    Customer.objects.create(code=started.customer, name="Acme Ltd")
    ServiceKey.objects.bulk_create([issued[0]])
    road.closed.clear()
    yield started
    until(lambda: not list(started.folder.glob("*.json")))


def limit(rpm, tpm=None, *, service="SenseChat-5"):
    """Let the customer of this test have these limits of its own."""
    CallSpecification.objects.create(
        service=Service.objects.get(name=service),
        customer=Customer.objects.get(),
        rpm=rpm,
        tpm=tpm,
        begins_at=dt.datetime.now(dt.UTC) - dt.timedelta(days=1),
    )


def tokens():
    """What is stored, as service and tokens."""
    return sorted(
        (found.service.name, found.input_tokens, found.output_tokens)
        for found in UsageRecord.objects.select_related("service")
    )


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
    until(tokens)
    assert tokens() == [used(answer, body["model"])]


def test_a_stream_is_reported_once_it_has_ended(proxy):
    answer = proxy.post(**CHAT, stream=True, stream_options={"include_usage": True})

    assert answer.text.rstrip().endswith("data: [DONE]")
    until(tokens)
    ((_, asked, answered),) = tokens()
    assert f'"prompt_tokens":{asked}' in answer.text
    assert f'"completion_tokens":{answered}' in answer.text


def test_who_pays_is_whom_the_key_names_and_not_whom_the_caller_names(proxy):
    answer = proxy.post(**CHAT | {"user": "globex"}, headers=bearer(f"{KEY_OF}{proxy.customer}"))

    assert answer.status_code == 200, answer.text
    until(tokens)
    assert UsageRecord.objects.get().customer.code == proxy.customer


def test_a_call_settles_what_was_held_for_it(proxy):
    limit(60, 1_100)
    first = proxy.post(**CHAT)  # holds 1,000 tokens for the answer, and uses some 30
    assert first.status_code == 200, first.text

    second = until(lambda: (answer := proxy.post(**CHAT)).is_success and answer)

    assert int(second.headers["x-ratelimit-remaining-tokens"]) < 100


def test_a_call_beyond_the_limits_gets_our_refusal(proxy):
    limit(1)
    assert proxy.post(**CHAT).status_code == 200

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
    assert tokens() == []


def test_the_model_that_answered_is_paid_for(proxy):
    limit(1, service=BROKEN)

    answer = proxy.post(**CHAT | {"model": BROKEN}, fallbacks=["SenseChat-5"])

    assert answer.status_code == 200, answer.text
    until(tokens)
    assert tokens() == [used(answer)]


def test_a_caller_cannot_pay_once_for_many_calls_by_naming_them_alike(proxy):
    for _ in range(2):
        answer = proxy.post(**CHAT, headers={"x-litellm-call-id": "always-the-same"})
        assert answer.headers["x-litellm-call-id"] == "always-the-same"

    until(lambda: len(tokens()) == 2)


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
    assert tokens() == []


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
    assert tokens() == []

    road.closed.clear()

    until(tokens)
    assert tokens() == [used(answer)]


def test_usage_outlives_the_proxy(proxy, road):
    road.closed.add("/api/v1/usage")
    first = proxy.post(**CHAT)
    until(lambda: list(proxy.folder.glob("*.json")))

    proxy.kill()
    road.closed.clear()
    proxy.start()
    second = proxy.post(**CHAT)

    until(lambda: len(tokens()) == 2)
    assert tokens() == sorted([used(first), used(second)])


def test_calls_may_be_let_through_while_nobody_admits_them(proxy, road):
    proxy.kill()
    proxy.start(SENSENOVA_WHEN_AWAY="admit")
    road.closed.add("/api/v1/calls")

    answer = proxy.post(**CHAT)

    assert answer.status_code == 200, answer.text
    assert "x-ratelimit-limit-requests" not in answer.headers
    until(tokens)
    assert tokens() == [used(answer)]
