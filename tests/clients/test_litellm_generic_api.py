"""LiteLLM's generic_api callback with real calls: the tokens that the backend said are stored, once.

Its responses API needs what only the proxy brings: test_litellm_kinds.py has that.
"""

import asyncio
import io
import os
from contextlib import suppress

import pytest
from django.db import transaction

from accounts.api_keys.keys import issue_service_key
from accounts.models import Customer
from pricing.catalogue.initial import BEGINS_AT, load_catalogue
from pricing.models import BillingItem, Price, Service, ServiceAlias
from pricing.rules.measures import Measure
from tests.clients.backend import Counts, running_backend
from usage.models import QuarantinedUsage, UsageRecord

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it would fetch its list of prices otherwise

pytestmark = [
    pytest.mark.django_db(transaction=True),
    # What the package warns of is its to mend.
    pytest.mark.filterwarnings("ignore"),
]

OURS = {"user_api_key_end_user_id": "acme"}  # the proxy adds it
COUNTS = Counts(input=100, output=30, cached=80, reasoning=20, seconds=12.4, images=2, searches=3)


@pytest.fixture(scope="module")
def backend():
    with running_backend() as backend:
        yield backend


@pytest.fixture(scope="module")
def loop():
    """One for all tests: litellm's background worker stays with the loop in which it began."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def litellm():
    return pytest.importorskip("litellm", reason="the clients are not installed: make test-clients")


@pytest.fixture(scope="module")
def logger(litellm, loop):
    """LiteLLM's own callback; one for all tests, because LiteLLM keeps the first of a class."""
    module = pytest.importorskip("litellm.integrations.generic_api.generic_api_callback")

    async def made():
        logger = module.GenericAPILogger(endpoint="http://127.0.0.1:9", log_format="json_array")
        logger.flush_interval = 3600  # it would send by itself in the middle of what a test counts
        return logger

    logger = loop.run(made())
    litellm.callbacks = [logger]
    yield logger
    litellm.callbacks = []


@pytest.fixture
def report(litellm, logger, backend, loop, live_server):
    """Make calls with the callback switched on, and wait until it has reported so many."""
    load_catalogue()
    Customer.objects.create(code="acme", name="Acme Ltd")
    service = Service.objects.get(name="SenseChat-5")
    for measure in (Measure.INPUT_CHARACTERS, Measure.SECONDS, Measure.IMAGES, Measure.REQUESTS):
        with transaction.atomic():
            item = BillingItem.objects.create(service=service, measure=measure)
            Price.objects.create(billing_item=item, unit_price="0.01", begins_at=BEGINS_AT)
    for provider in ("openai", "anthropic", "gemini", "cohere"):
        ServiceAlias.objects.create(alias=f"{provider}/SenseChat-5", service=service)
    key = issue_service_key(name="gateway")[1]
    logger.endpoint = f"{live_server.url}/api/v1/litellm"
    logger.headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    logger.log_queue.clear()
    backend.reset()
    backend.counts = COUNTS

    def run(call, logged=1):
        async def calling():
            with suppress(litellm.exceptions.BadRequestError):  # where the backend was told to refuse
                await call(litellm, backend)
            async with asyncio.timeout(10):
                while len(logger.log_queue) < logged:  # litellm logs in the background
                    await asyncio.sleep(0.05)
            await logger.async_send_batch()

        loop.run(calling())

    return run


def at(backend, provider="openai"):
    """Where and as whom a call goes."""
    base = f"{backend.url}/v1" if provider == "openai" else backend.url
    return {"model": f"{provider}/SenseChat-5", "api_base": base, "api_key": "x", "metadata": OURS}


HELLO = [{"role": "user", "content": "a secret"}]


async def chat(litellm, backend):
    await litellm.acompletion(messages=HELLO, **at(backend))


async def stream(litellm, backend):
    options = {"include_usage": True}
    answer = await litellm.acompletion(messages=HELLO, stream=True, stream_options=options, **at(backend))
    async for _ in answer:
        pass


async def messages(litellm, backend):
    await litellm.acompletion(messages=HELLO, max_tokens=50, **at(backend, "anthropic"))


async def embeddings(litellm, backend):
    await litellm.aembedding(input=["a secret"], **at(backend))


async def speech(litellm, backend):
    await litellm.aspeech(input="你好，商量。", voice="nova", **at(backend))


async def transcription(litellm, backend):
    recording = io.BytesIO(b"RIFF" + bytes(100))
    recording.name = "a.wav"
    await litellm.atranscription(file=recording, response_format="verbose_json", **at(backend))


async def images(litellm, backend):
    await litellm.aimage_generation(prompt="a secret", **at(backend))


async def rerank(litellm, backend):
    await litellm.arerank(query="a secret", documents=["a", "b"], **at(backend, "cohere"))


TEXT = {"input_tokens": 100, "cached_input_tokens": 80, "output_tokens": 30}
STORED = {
    "chat": (chat, TEXT),
    "stream": (stream, TEXT),
    "messages of Anthropic": (messages, TEXT),
    "embeddings": (embeddings, {"input_tokens": 100}),
    "speech": (speech, {"input_characters": 6}),
    "transcription": (transcription, {"seconds": 12}),
    "images": (images, {"images": 2}),
    "rerank": (rerank, {"requests": 3}),
}


def stored():
    """What is stored of each call, where it holds something."""
    return [
        {measure.value: used for measure in Measure if (used := record.quantity_of(measure))}
        for record in UsageRecord.objects.all()
    ]


@pytest.mark.parametrize(("call", "expected"), STORED.values(), ids=STORED)
def test_what_the_backend_said_is_stored_once(call, expected, report):
    report(call)

    assert [*QuarantinedUsage.objects.values_list("problem", "sent")] == []
    assert stored() == [expected]


def test_a_failure_without_tokens_is_no_usage(report, backend):
    backend.statuses = [400]

    report(chat)

    assert (stored(), QuarantinedUsage.objects.count()) == ([], 0)


def test_an_id_that_the_backend_uses_again_is_another_call(report):
    async def twice(litellm, backend):
        await chat(litellm, backend)
        await chat(litellm, backend)

    report(twice, logged=2)

    assert stored() == [TEXT, TEXT]


@pytest.mark.parametrize("log_format", ["json_array", "ndjson", "single"])
def test_every_form_of_a_delivery_is_taken(log_format, report, logger):
    async def twice(litellm, backend):
        await chat(litellm, backend)
        await chat(litellm, backend)

    logger.log_format = log_format
    report(twice, logged=2)
    logger.log_format = "json_array"

    assert stored() == [TEXT, TEXT]


def test_an_unknown_model_is_kept_and_the_other_call_is_stored(report):
    async def both(litellm, backend):
        await chat(litellm, backend)
        await litellm.acompletion(messages=HELLO, **at(backend) | {"model": "openai/nova-9"})

    report(both, logged=2)

    assert stored() == [TEXT]
    assert QuarantinedUsage.objects.get().service_name == "nova-9"
