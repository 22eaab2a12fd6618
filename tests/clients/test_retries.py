"""What senders of usage do with a refusal: the real packages before a server that refuses all alike.

The table of docs/clients.md says how often each sends one event. `make test-clients` installs the packages.
"""

import asyncio
import contextlib
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.tables import table

WHY = "the clients are not installed: make test-clients"
# litellm would fetch its list of prices otherwise.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
# What the packages warn of is theirs to mend.
pytestmark = pytest.mark.filterwarnings("ignore")

NO_ANSWER = "no answer"
ANSWERS = ("429", "429 +", "408", "408 +", "502", "502 +", "503", "422", NO_ANSWER)
EVENT = {"id": "1", "source": "my-app", "specversion": "1.0", "type": "prompt", "subject": "acme", "data": {}}


class Refusing(ThreadingHTTPServer):
    """Gives every request this answer, with a Retry-After where it ends in a plus; counts the requests."""

    daemon_threads = True

    def __init__(self, answer):
        super().__init__(("127.0.0.1", 0), _Refusal)
        self.answer, self.requests = answer, 0
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Refusal(BaseHTTPRequestHandler):
    server: Refusing

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests += 1
        if self.server.answer == NO_ANSWER:
            return  # the connection ends
        self.send_response(int(self.server.answer[:3]))
        if self.server.answer.endswith("+"):
            self.send_header("Retry-After", "1")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def refusing(answer):
    """A running server that gives this answer."""
    with Refusing(answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()


def send_by_openmeter(url):
    openmeter = pytest.importorskip("openmeter", reason=WHY)
    with openmeter.Client(endpoint=url, token="key") as client:
        client.events.ingest_event(EVENT)


def send_by_lago(url):
    lago = pytest.importorskip("lago_python_client", reason=WHY)
    event = lago.models.Event(transaction_id="1", code="tokens", external_subscription_id="acme", timestamp=1)
    lago.Client(api_key="key", api_url=url).events.create(event)


def answer_of_a_model(monkeypatch, url):
    """What LiteLLM's callbacks report, to this address."""
    litellm = pytest.importorskip("litellm", reason=WHY)
    for name in ("OPENMETER_API_ENDPOINT", "LAGO_API_BASE"):
        monkeypatch.setenv(name, url)
    for name in ("OPENMETER_API_KEY", "LAGO_API_KEY", "LAGO_API_EVENT_CODE"):
        monkeypatch.setenv(name, "key")
    messages = [{"role": "user", "content": "Hello"}]
    return litellm.completion(
        model="openai/SenseChat-5", messages=messages, mock_response="Hello", user="acme"
    )


def send_by_litellms_openmeter(url, monkeypatch):
    answer = answer_of_a_model(monkeypatch, url)
    logger = pytest.importorskip("litellm.integrations.openmeter").OpenMeterLogger()
    call = {"model": "SenseChat-5", "user": "acme", "litellm_call_id": "1", "response_cost": None}
    logger.log_success_event(call, answer, None, None)


def send_by_litellms_lago(url, monkeypatch):
    answer = answer_of_a_model(monkeypatch, url)
    logger = pytest.importorskip("litellm.integrations.lago").LagoLogger()
    parameters = {"metadata": {}, "proxy_server_request": {"body": {"user": "acme"}}}
    call = {"model": "SenseChat-5", "litellm_params": parameters, "response_cost": None}
    logger.log_success_event(call, answer, None, None)


def send_by_generic_api(url, **options):
    """Send a queue of one call, and return what is left of it."""
    module = pytest.importorskip("litellm.integrations.generic_api.generic_api_callback", reason=WHY)

    async def send():
        logger = module.GenericAPILogger(endpoint=url, **options)
        logger.log_queue = [{"id": "1"}]
        await logger.async_send_batch()
        return logger.log_queue

    return asyncio.run(send())


SENDERS = {
    "openmeter": lambda url, _: send_by_openmeter(url),
    "lago-python-client": lambda url, _: send_by_lago(url),
    "LiteLLM, `openmeter`": send_by_litellms_openmeter,
    "LiteLLM, `lago`": send_by_litellms_lago,
    "LiteLLM, `generic_api`": lambda url, _: send_by_generic_api(url),
    "LiteLLM, `generic_api`, `max_retries: 2`": lambda url, _: send_by_generic_api(url, max_retries=2),
}
ROWS = {sender: counts for sender, *counts in table("clients.md", "sender", *ANSWERS) if sender in SENDERS}


def test_every_sender_that_is_run_has_its_row():
    assert ROWS.keys() == SENDERS.keys()


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("sender", SENDERS)
def test_an_event_that_is_refused_is_sent_as_often_as_the_page_says(sender, answer, monkeypatch):
    # Each package raises an error of its own, or none.
    with refusing(answer) as server, contextlib.suppress(Exception):
        SENDERS[sender](server.url, monkeypatch)

    assert str(server.requests) == ROWS[sender][ANSWERS.index(answer)]


def test_litellm_empties_its_queue_although_it_was_refused():
    with refusing("503") as server:
        assert send_by_generic_api(server.url) == []
