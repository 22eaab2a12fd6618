"""Whatever LiteLLM's proxy is sent in any form: what the model says is stored once, or it is refused."""

import io
import json
import wave

import pytest
from django.db import transaction

from pricing.catalogue.initial import BEGINS_AT
from pricing.models import BillingItem, CallSpecification, Price, Service, ServiceGroup
from pricing.rules.measures import Measure
from tests.clients.backend import Counts
from tests.clients.litellm_proxy import (
    ANTHROPIC,
    BROKEN,
    EMBEDDING,
    GOOGLE,
    IMAGE,
    NEEDS_PROXY,
    OPENAI,
    RERANK,
    SPEECH,
    TRANSCRIPTION,
    limit,
    stored_tokens,
    until,
)
from usage.models import UsageRecord

pytestmark = NEEDS_PROXY

COUNTS = Counts(input=100, output=26, cached=40, written=10, reasoning=6)
TOKENS = {"input_tokens": 100, "cached_input_tokens": 40, "output_tokens": 26}
WRITTEN = {"cache_write_tokens": 10}
HELLO = [{"role": "user", "content": "hello"}]
CONTENTS = [{"role": "user", "parts": [{"text": "hello"}]}]


def chat(service, stream=False, **fields):
    return "/v1/chat/completions", {"model": service, "messages": HELLO, "stream": stream, **fields}


def text_completion(service, stream=False, **fields):
    return "/v1/completions", {"model": service, "prompt": "hello", "stream": stream, **fields}


def responses(service, stream=False, **fields):
    return "/v1/responses", {"model": service, "input": "hello", "stream": stream, **fields}


def messages(service, stream=False, **fields):
    return "/v1/messages", {
        "model": service,
        "messages": HELLO,
        "max_tokens": 50,
        "stream": stream,
        **fields,
    }


def generate_content(service, stream=False, **fields):
    call = "streamGenerateContent" if stream else "generateContent"
    return f"/v1beta/models/{service}:{call}", {"contents": CONTENTS, **fields}


def cursor(service, stream=False, **fields):
    return "/cursor/chat/completions", {"model": service, "input": HELLO, "stream": stream, **fields}


FORMS = [chat, text_completion, responses, messages, generate_content, cursor]
STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
IN_EACH_FORM = pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)


def stored():
    """What is stored, as service and what it used."""
    return sorted(
        (found.service.name, {name: n for name in Measure if (n := getattr(found, name))})
        for found in UsageRecord.objects.select_related("service")
    )


def counted_by():
    """Who counted, if it was not the model."""
    return [found.metadata and found.metadata["counted_by"] for found in UsageRecord.objects.all()]


@transaction.atomic
def sell(name, measure):
    """Put a service on sale by this measure."""
    service = Service.objects.create(name=name, group=ServiceGroup.objects.get(position=0), position=99)
    CallSpecification.objects.create(service=service, rpm=60, begins_at=BEGINS_AT)
    item = BillingItem.objects.create(service=service, measure=measure)
    Price.objects.create(billing_item=item, unit_price=1, unit_size=1, begins_at=BEGINS_AT)


def code_of(answer):
    """The code of our refusal in LiteLLM's error, in whose form it depends on the path."""
    return next(
        code for code in ("call_kind_not_billable", "background_not_billable", "") if code in answer.text
    )


@STREAMED
@IN_EACH_FORM
def test_what_the_model_says_is_stored_once(form, stream, proxy, models):
    models.counts = COUNTS

    for service in (OPENAI, ANTHROPIC, GOOGLE):
        path, body = form(service, stream)
        answer = proxy.post(path, **body)
        assert answer.status_code == 200, answer.text

    until(lambda: len(stored()) == 3)
    assert stored() == sorted([(OPENAI, TOKENS | WRITTEN), (ANTHROPIC, TOKENS | WRITTEN), (GOOGLE, TOKENS)])
    assert counted_by() == [None] * 3
    assert len(models.requests) == 3


def recording():
    """A second of silence."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((1, 2, 8000, 8000, "NONE", ""))
        sound.writeframes(bytes(16000))
    return file.getvalue()


MEASURED = {
    "embedding": (EMBEDDING, "/v1/embeddings", {"json": {"input": ["a", "b"]}}, {"input_tokens": 100}),
    "speech": (
        SPEECH,
        "/v1/audio/speech",
        {"json": {"input": "Hello 你好", "voice": "a"}},
        {"input_characters": 8},
    ),
    "recording": (
        TRANSCRIPTION,
        "/v1/audio/transcriptions",
        {"files": {"file": ("a.wav", recording())}},
        {"seconds": 13},
    ),
    "images": (IMAGE, "/v1/images/generations", {"json": {"prompt": "a cat", "n": 2}}, {"images": 2}),
    "edited images": (
        IMAGE,
        "/v1/images/edits",
        {"data": {"prompt": "a dog"}, "files": {"image": ("a.png", b"a")}},
        {"images": 2},
    ),
    "searches": (
        RERANK,
        "/v1/rerank",
        {"json": {"query": "a", "documents": ["a", "b"]}},
        {"requests": 3},
    ),
}


@pytest.mark.parametrize(("service", "path", "sent", "used"), MEASURED.values(), ids=MEASURED)
def test_what_is_not_a_text_is_stored_in_its_own_measure(service, path, sent, used, proxy, models):
    models.counts = Counts(input=100, seconds=12.6, images=2, searches=3)
    if service != SPEECH:  # which the price page has
        sell(service, next(iter(used)))
    body = {"model": service, "user": proxy.customer}
    form = {"data": body | sent.get("data", {})} if "files" in sent else {"json": body | sent["json"]}

    answer = proxy.request("POST", path, **sent | form)

    assert answer.status_code == 200, answer.text
    until(stored)
    assert stored() == [(service, used)]


def test_a_kind_that_litellm_adds_tomorrow_is_refused_and_counted(proxy):
    answer = proxy.post("/v1/inventions", model=OPENAI)

    assert answer.status_code == 400
    assert answer.json()["detail"]["error"]["code"] == "call_kind_not_billable"
    assert proxy.counted("refused_calls", "ainvention") == 1


def test_an_answer_without_an_admitted_call_is_counted(proxy):
    assert proxy.post("/v1/forgotten").status_code == 200

    until(lambda: proxy.counted("unadmitted_answers", "acompletion") == 1)


def test_nobody_sees_what_is_counted_without_a_key(proxy):
    assert (
        proxy.request("GET", "/sensenova-billing/metrics", headers={"Authorization": ""}).status_code == 401
    )


NOT_SOLD = {
    "moderation": ("/v1/moderations", {"model": OPENAI, "input": "a"}),
    "batch": (
        "/v1/batches",
        {"model": OPENAI, "input_file_id": "a", "endpoint": "/v1/responses", "completion_window": "24h"},
    ),
    "compacting": ("/v1/responses/compact", {"model": OPENAI, "input": "a"}),
    "background": responses(OPENAI, background=True),
    "background in the extra body": responses(OPENAI, extra_body={"background": True}),
    "background by way of Cursor": cursor(OPENAI, background=True),
}


@pytest.mark.parametrize(("path", "body"), NOT_SOLD.values(), ids=NOT_SOLD)
def test_what_is_not_sold_never_reaches_a_model(path, body, proxy, models):
    answer = proxy.post(path, **body)

    # LiteLLM answers a refused batch with 500, for it looks for a database's error and has no such package.
    assert answer.status_code == (500 if path == "/v1/batches" else 400), answer.text
    assert code_of(answer) or path == "/v1/batches"
    assert models.requests == []


def test_a_file_for_a_batch_is_refused(proxy, models):
    line = {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": chat(OPENAI)[1]}
    file = {"file": ("a.jsonl", json.dumps(line).encode())}
    sent = {"data": {"purpose": "batch", "target_model_names": OPENAI}, "files": file}

    answer = proxy.request("POST", "/v1/files", **sent)

    assert answer.status_code == 400, answer.text
    assert code_of(answer)
    assert models.requests == []


def test_reading_an_answer_again_costs_nothing(proxy, models):
    models.counts = COUNTS
    path, body = responses(OPENAI)
    stored_id = proxy.post(path, **body).json()["id"]

    for _ in range(2):
        assert proxy.get(f"/v1/responses/{stored_id}").json()["usage"]["input_tokens"] == 100
    assert proxy.request("DELETE", f"/v1/responses/{stored_id}").status_code == 200

    until(stored)
    assert stored() == [(OPENAI, TOKENS | WRITTEN)]
    assert proxy.counted("unadmitted_answers", "aget_responses") == 0


UNASKED = {"include_usage": False}
NOT_ASKED = {
    "not at all": {},
    "no": {"stream_options": UNASKED},
    "no, in the extra body": {"extra_body": {"stream_options": UNASKED}},
}


@pytest.mark.parametrize("fields", NOT_ASKED.values(), ids=NOT_ASKED)
@pytest.mark.parametrize("form", [chat, text_completion], ids=lambda form: form.__name__)
def test_the_caller_does_not_choose_whose_count_is_billed(form, fields, proxy, models):
    path, body = form(OPENAI, stream=True, **fields)

    proxy.post(path, **body)

    until(stored)
    assert stored_tokens() == [(OPENAI, 4, 26)]
    assert counted_by() == [None]


@STREAMED
@IN_EACH_FORM
def test_where_the_model_is_silent_the_record_says_who_counted(form, stream, proxy, models):
    models.names_counts = False
    path, body = form(OPENAI, stream)

    answer = proxy.post(path, **body)

    assert answer.status_code == 200, answer.text
    until(stored)
    ((_, input_tokens, output_tokens),) = stored_tokens()
    assert input_tokens > 0
    assert output_tokens > 0
    assert counted_by()[0] in ("litellm", "gateway")


@pytest.mark.parametrize("service", [OPENAI, ANTHROPIC, GOOGLE])
@IN_EACH_FORM
def test_a_caller_who_leaves_pays_for_what_was_sent(form, service, proxy, models):
    models.seconds_between = 0.2
    path, body = form(service, stream=True, user=proxy.customer)

    with proxy.stream(path, **body) as answer:
        next(line for line in answer.iter_lines() if "你" in line or r"\u4f60" in line)

    until(stored)
    ((_, input_tokens, output_tokens),) = stored_tokens()
    assert input_tokens > 0
    assert 0 < output_tokens < 26


@IN_EACH_FORM
def test_a_stream_that_breaks_off_is_paid_for_as_far_as_it_came(form, proxy, models):
    models.breaks_after = 5

    for service in (OPENAI, ANTHROPIC, GOOGLE):
        path, body = form(service, stream=True)
        proxy.post(path, **body)

    until(lambda: len(stored()) == 3)
    assert all(used > 0 and 0 < answered < 26 for _, used, answered in stored_tokens())


@IN_EACH_FORM
def test_a_stream_that_never_began_costs_nothing(form, proxy, models):
    limit(1, service=OPENAI)
    path, body = form(OPENAI, stream=True)

    models.statuses = [400] * 9
    proxy.post(path, **body)
    models.statuses.clear()

    assert until(lambda: (answer := proxy.post(path, **body)).is_success and answer)
    until(stored)
    assert stored_tokens() == [(OPENAI, 4, 26)]


@IN_EACH_FORM
def test_a_stream_of_a_silent_model_is_counted_whole(form, proxy, models):
    models.names_counts = False

    for service in (OPENAI, ANTHROPIC, GOOGLE):
        path, body = form(service, stream=True)
        assert proxy.post(path, **body).status_code == 200

    until(lambda: len(stored()) == 3)
    assert all(input_tokens > 0 and output_tokens > 0 for _, input_tokens, output_tokens in stored_tokens())
    assert None not in counted_by()


LONG = "many words " * 1_500
TOOL = {"name": "find", "description": LONG, "parameters": {"type": "object", "properties": {}}}
ALL_TEXT = {
    "chat": chat(OPENAI, messages=[{"role": "user", "content": LONG}]),
    "parts of a chat": chat(OPENAI, messages=[{"role": "user", "content": [{"type": "text", "text": LONG}]}]),
    "tools of a chat": chat(OPENAI, tools=[{"type": "function", "function": TOOL}]),
    "input": responses(OPENAI, input=LONG),
    "list of inputs": responses(OPENAI, input=[{"role": "user", "content": LONG}]),
    "instructions": responses(OPENAI, instructions=LONG),
    "system": messages(ANTHROPIC, system=[{"type": "text", "text": LONG}]),
    "tools of messages": messages(ANTHROPIC, tools=[{**TOOL, "input_schema": TOOL["parameters"]}]),
    "contents": generate_content(GOOGLE, contents=[{"role": "user", "parts": [{"text": LONG}]}]),
    "system instruction": generate_content(GOOGLE, systemInstruction={"parts": [{"text": LONG}]}),
    "prompts": text_completion(OPENAI, prompt=["a", LONG]),
    "tokens": text_completion(OPENAI, prompt=[[5] * 3_000]),
}


def test_all_text_that_goes_to_the_model_is_estimated(proxy, models):
    for service in (OPENAI, ANTHROPIC, GOOGLE):
        limit(60, 2_900, service=service)

    statuses = {name: proxy.post(path, **body).status_code for name, (path, body) in ALL_TEXT.items()}

    assert statuses == dict.fromkeys(ALL_TEXT, 429)
    assert models.requests == []


def test_an_image_is_no_text(proxy, models):
    limit(60, 2_900, service=OPENAI)
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "abcd" * 10_000}}
    path, body = chat(OPENAI, messages=[{"role": "user", "content": [image]}])

    assert proxy.post(path, **body).status_code == 200
    until(stored)


@IN_EACH_FORM
def test_a_call_that_fails_is_released(form, proxy, models):
    limit(1, service=OPENAI)
    path, body = form(OPENAI)

    models.statuses = [400] * 9  # Google's form is tried more than once
    assert proxy.post(path, **body).is_error
    models.statuses.clear()

    # It is admitted again, instead of 429.
    assert until(lambda: (answer := proxy.post(path, **body)).is_success and answer)
    until(stored)
    assert stored_tokens() == [(OPENAI, 4, 26)]


def test_a_retry_is_stored_once(proxy, models):
    models.statuses = [500]
    path, body = chat(OPENAI, num_retries=1)

    assert proxy.post(path, **body).status_code == 200

    until(stored)
    assert stored_tokens() == [(OPENAI, 4, 26)]
    assert len(models.requests) == 2


@pytest.mark.parametrize(
    "form", [chat, responses, messages, generate_content], ids=lambda form: form.__name__
)
def test_the_model_that_answered_instead_is_paid_for(form, proxy):
    path, body = form(BROKEN, fallbacks=[OPENAI])

    assert proxy.post(path, **body).status_code == 200

    until(stored)
    assert stored_tokens() == [(OPENAI, 4, 26)]


def test_an_answer_from_litellms_cache_costs_nothing(proxy, models):
    path, body = chat(
        OPENAI, cache={"use-cache": True}, messages=[{"role": "user", "content": proxy.customer}]
    )

    for _ in range(2):
        assert proxy.post(path, **body).status_code == 200

    until(stored)
    assert len(models.requests) == 1
    assert stored_tokens() == [(OPENAI, 4, 26)]
