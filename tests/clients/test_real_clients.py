"""The real packages report to a running server of ours, unmodified; `make test-clients` installs them.

Nothing leaves this machine: models are mocked by litellm itself, and every address is the test server's.
"""

import datetime as dt
import os

import pytest
from django.db import OperationalError

from accounts.api_keys.keys import issue_service_key
from accounts.models import Customer
from pricing.catalogue.initial import load_catalogue
from pricing.models import Service, ServiceAlias
from usage.ingest import authorise
from usage.models import UsageRecord

WHY = "the clients are not installed: make test-clients"
# litellm would fetch its list of prices otherwise.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

pytestmark = [
    pytest.mark.django_db(transaction=True),
    # What the packages warn of is theirs to mend.
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture
def key():
    """A key, with the catalogue and Acme that transactional tests do not find, and LiteLLM's model name."""
    load_catalogue()
    Customer.objects.create(code="acme", name="Acme Ltd")
    ServiceAlias.objects.create(alias="openai/SenseChat-5", service=Service.objects.get(name="SenseChat-5"))
    return issue_service_key(name="gateway")[1]


def tokens():
    """What is stored, as customer, service and tokens."""
    return sorted(
        (found.customer.code, found.service.name, found.input_tokens, found.output_tokens)
        for found in UsageRecord.objects.select_related("customer", "service")
    )


def imported(name):
    """The package, or a skip that says why."""
    return pytest.importorskip(name, reason=WHY)


def cloud_event(**fields):
    """An event as a user of OpenMeter's client writes it."""
    return {
        "id": "1",
        "source": "my-app",
        "specversion": "1.0",
        "type": "prompt",
        "subject": "acme",
        "time": dt.datetime.now(dt.UTC).isoformat(),
        "data": {"tokens": "12", "model": "SenseChat-5", "type": "input"},
    } | fields


def test_openmeter_one_and_many(key, live_server):
    openmeter = imported("openmeter")
    with openmeter.Client(endpoint=live_server.url, token=key) as client:
        client.events.ingest_event(cloud_event())
        client.events.ingest_events([cloud_event(id="2"), cloud_event(id="3")])

    assert tokens() == [("acme", "SenseChat-5", 12, 0)] * 3


def test_openmeter_shows_our_refusal(key, live_server):
    openmeter = imported("openmeter")
    refused = imported("corehttp.exceptions").HttpResponseError

    with (
        openmeter.Client(endpoint=live_server.url, token=key) as client,
        pytest.raises(refused) as error,
    ):
        client.events.ingest_event(cloud_event(subject="nobody"))

    assert error.value.status_code == 422
    assert "unknown customer" in error.value.response.text()


def lago_event(**fields):
    """An event of Lago's own class."""
    models = imported("lago_python_client.models.event")
    return models.Event(
        **{
            "transaction_id": "tx-1",
            "external_subscription_id": "acme",
            "code": "tokens",
            "timestamp": int(dt.datetime.now(dt.UTC).timestamp()),
            "precise_total_amount_cents": None,
            "properties": {"model": "SenseChat-5", "prompt_tokens": 12, "completion_tokens": 34},
        }
        | fields
    )


def test_lago_one_and_many(key, live_server):
    lago = imported("lago_python_client")
    models = imported("lago_python_client.models.event")
    client = lago.Client(api_key=key, api_url=f"{live_server.url}/lago/")

    event = lago_event()  # made once: it says its second
    answer = client.events.create(event)
    client.events.batch_create(models.BatchEvent(events=[event, lago_event(transaction_id="tx-2")]))

    assert answer.transaction_id == "tx-1"
    assert tokens() == [("acme", "SenseChat-5", 12, 34)] * 2


def test_lago_shows_our_refusal(key, live_server):
    lago = imported("lago_python_client")
    refused = imported("lago_python_client.exceptions").LagoApiError
    client = lago.Client(api_key=key, api_url=f"{live_server.url}/lago/")

    with pytest.raises(refused) as error:
        client.events.create(lago_event(external_subscription_id="nobody"))

    assert error.value.status_code == 422
    assert error.value.response["error_details"] == {"external_subscription_id": ["unknown customer"]}


@pytest.fixture
def litellm(monkeypatch, key, live_server):
    """The package, told by its environment to report to us."""
    package = imported("litellm")
    for name, value in {
        "OPENMETER_API_ENDPOINT": live_server.url,
        "OPENMETER_API_KEY": key,
        "LAGO_API_BASE": f"{live_server.url}/lago",
        "LAGO_API_KEY": key,
        "LAGO_API_EVENT_CODE": "tokens",
        "GENERIC_LOGGER_ENDPOINT": f"{live_server.url}/api/v1/litellm",
        "GENERIC_LOGGER_HEADERS": f"Authorization=Bearer {key}",
    }.items():
        monkeypatch.setenv(name, value)
    return package


def completed(litellm):
    """A mocked answer of a model."""
    return litellm.completion(
        model="openai/SenseChat-5",
        messages=[{"role": "user", "content": "a secret"}],
        mock_response="你好",
        user="acme",
    )


def test_litellms_openmeter_callback(litellm):
    logger = imported("litellm.integrations.openmeter").OpenMeterLogger()
    answer = completed(litellm)
    call = {"model": "SenseChat-5", "user": "acme", "litellm_call_id": "1", "response_cost": 0.001}

    logger.log_success_event(call, answer, None, None)

    usage = answer.usage
    assert tokens() == [("acme", "SenseChat-5", usage.prompt_tokens, usage.completion_tokens)]


def test_litellms_lago_callback(litellm):
    logger = imported("litellm.integrations.lago").LagoLogger()
    answer = completed(litellm)
    parameters = {"metadata": {}, "proxy_server_request": {"body": {"user": "acme"}}}
    call = {"model": "SenseChat-5", "litellm_params": parameters, "response_cost": None}

    logger.log_success_event(call, answer, None, None)

    usage = answer.usage
    assert tokens() == [("acme", "SenseChat-5", usage.prompt_tokens, usage.completion_tokens)]


@pytest.fixture
def tracer(key, live_server):
    """A tracer of OpenTelemetry's SDK, whose spans are exported when they end."""
    sdk = imported("opentelemetry.sdk.trace")
    exporting = imported("opentelemetry.sdk.trace.export")
    exporter = imported("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    resource = imported("opentelemetry.sdk.resources").Resource({"sensenova.customer": "acme"})
    provider = sdk.TracerProvider(resource=resource)
    headers = {"Authorization": f"Bearer {key}"}
    span_exporter = exporter.OTLPSpanExporter(f"{live_server.url}/v1/traces", headers=headers)
    provider.add_span_processor(exporting.SimpleSpanProcessor(span_exporter))
    yield provider.get_tracer("test")
    provider.shutdown()


def call_model(tracer, operation="chat", **attributes):
    """End the span of an operation that used tokens, and return its name for us."""
    with tracer.start_as_current_span(operation) as span:
        span.set_attribute("gen_ai.operation.name", operation)
        span.set_attribute("gen_ai.request.model", "SenseChat-5")
        span.set_attribute("gen_ai.usage.input_tokens", 12)
        span.set_attribute("gen_ai.usage.output_tokens", 34)
        span.set_attributes(attributes)
    context = span.get_span_context()
    return f"{context.trace_id:032x}-{context.span_id:016x}"


def test_opentelemetrys_exporter(tracer):
    with tracer.start_as_current_span("GET /chat"):
        call_model(tracer, "invoke_agent")
        event_id = call_model(tracer)
        call_model(tracer, **{"sensenova.customer": "nobody"})

    assert tokens() == [("acme", "SenseChat-5", 12, 34)]
    assert UsageRecord.objects.get().event_id == event_id


def test_opentelemetrys_exporter_repeats_a_request_that_met_an_outage(tracer, monkeypatch):
    answers = iter([OperationalError("gone")])

    def report_each(**arguments):
        for error in answers:
            raise error
        return authorise.report_each(**arguments)

    monkeypatch.setattr("usage.clients.api.report_each", report_each)
    call_model(tracer)

    assert [*answers] == []
    assert tokens() == [("acme", "SenseChat-5", 12, 34)]
