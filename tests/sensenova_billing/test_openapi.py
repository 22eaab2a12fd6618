"""Whatever is sent to the API, the answer is one that the OpenAPI document names.

schemathesis makes requests from the document that the application serves, good ones and bad ones, and checks
the answers against it: the status, the content type, the schema, that no request is let in without a key, and
that nothing gets in that the document forbids. Which customers and services there are, and which instants are
recent, no document can say; that is filled in, else hardly a request would get any further.

Every request finds the same stage: what it stores is taken back.
"""

import gc
import json
import os
import re
from collections import Counter
from functools import cache
from itertools import cycle
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from django.core import signals
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.pytest._test_builder import build_operation_test
from schemathesis.specs.openapi.checks import negative_data_rejection

from accounts.api_keys.keys import issue_service_key, revoke_service_key
from accounts.models import Scope
from invoices.models import ChargeLine, HourlyBill
from pricing.models import Service
from tests.builders import at, close, customer, record, report
from tests.packages import buy, tokens_product
from tests.valid_bodies import valid_bodies
from usage.limits.stores.choice import call_windows
from usage.limits.stores.windows import CallLimits, RequestedCall, SettledCall

pytestmark = [
    pytest.mark.django_db,
    # The client that schemathesis asks with closes no file.
    pytest.mark.filterwarnings("ignore:Unclosed file:ResourceWarning"),
]

SOAK = os.environ.get("HYPOTHESIS_PROFILE") == "soak"
CASES = int(os.environ.get("OPENAPI_CASES", "0"))  # requests to all operations together; 0: a few
BODIES = 400 if SOAK else 2  # of each operation, damaged in every place
SETTINGS = settings(
    derandomize=not (SOAK or CASES), database=None, deadline=None, suppress_health_check=list(HealthCheck)
)
MUST_BE_REFUSED = [negative_data_rejection]
# What a single small request does not bring about; test_api_usage.py does.
RARE = {"413", "503"}

# --- The document ----------------------------------------------------------------------------------

CUSTOMER = {"enum": ["acme", "globex"]}
SERVICE = {"enum": ["SenseChat-5"]}
EVENT_ID = {"format": "event-id"}
UNIX_TIME = {"format": "unix-time"}
FILLED_IN: dict[str, dict[str, Any]] = {
    "customer": CUSTOMER,
    "subject": CUSTOMER,
    "external_subscription_id": CUSTOMER,
    "end_user": CUSTOMER,
    "service": SERVICE,
    "model": SERVICE,
    # Not charged for by SenseChat-5.
    "input_characters": {"maximum": 0},
    "input_text": {"maxLength": 0},
    "event_id": EVENT_ID,
    "source": EVENT_ID,
    "id": EVENT_ID,
    "transaction_id": EVENT_ID,
    "time": {"format": "date-time"},
    "timestamp": UNIX_TIME,
    "endTime": UNIX_TIME,
}
MINUTES = st.integers(0, 119).map(at)
# Some are known to be stored, most are not.
KNOWN_IDS = ("a", "b")
EVENT_IDS = st.sampled_from(KNOWN_IDS) | st.uuids().map(str) | st.text(min_size=1, max_size=9)
schemathesis.openapi.format("event-id", EVENT_IDS)
schemathesis.openapi.format("date-time", MINUTES.map(lambda instant: instant.isoformat()))
schemathesis.openapi.format("unix-time", MINUTES.map(lambda instant: f"{instant.timestamp():.3f}"))


def filled_in(schema: Any) -> Any:
    """The same schema, with what the document cannot say."""
    if isinstance(schema, list):
        return [filled_in(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {name: filled_in(inner) for name, inner in schema.items()}
    if schema.get("type") == "object" and "properties" in schema:
        fields = schema["properties"].items()
        schema["properties"] = {name: inner | FILLED_IN.get(name, {}) for name, inner in fields}
    return schema


CONFIG = {
    "generation": {"with-security-parameters": False},  # the tests say which key is shown
    "analysis": {"constants": {"enabled": False}},  # which changes with every line of code
    "phases": {"fuzzing": {"enabled": False}},  # by our own test, with keys and damages of ours
    # E.g. a batch may hold an id twice, which no schema can forbid.
    "checks": {"positive_data_acceptance": {"enabled": False}},
}
POSTS = [
    "POST /api/v1/calls",
    "POST /api/v1/estimates",
    "POST /api/v1/events",
    "POST /api/v1/litellm",
    "POST /api/v1/reversals",
    "POST /api/v1/usage",
    "POST /lago/api/v1/events",
    "POST /lago/api/v1/events/batch",
]
READS = [
    "GET /api/v1/bills",
    "GET /api/v1/bills/{number}",
    "GET /api/v1/budgets",
    "GET /api/v1/catalog",
    "GET /api/v1/charge-lines",
    "GET /api/v1/charge-lines/{id}/records",
    "GET /api/v1/charge-lines/{id}/records.csv",
    "GET /api/v1/limits",
    "GET /api/v1/packages",
    "GET /api/v1/packages/{number}/draws",
    "GET /api/v1/records",
    "GET /api/v1/seals",
    "GET /api/v1/usage",
    "GET /api/v1/usage/summary",
]
RELEASES = ["DELETE /api/v1/calls/{call_id}"]
OPERATIONS = [*POSTS, *READS, *RELEASES]
REQUESTS = -(-CASES // len(OPERATIONS)) or (
    40_000 if SOAK else 60
)  # to each operation, beside those at boundaries
# Anybody may ask; a key is needed for what a customer pays.
OPEN = {"/api/v1/catalog", "/api/v1/estimates"}


@cache
def served():
    """The document that the application serves; made when it is first needed, for that takes seconds."""
    return schemathesis.openapi.from_wsgi("/api/schema", get_wsgi_application()).raw_schema


@pytest.fixture(scope="module")
def document(django_db_setup, django_db_blocker):
    """The document from which requests are made."""
    with django_db_blocker.unblock():
        return loaded(filled_in(served()))


@pytest.fixture(scope="module")
def plain_document(document):
    """The same document, in which each kind of body is described once."""
    return document if SOAK or CASES else loaded(once_each(filled_in(served())))


def loaded(filled):
    """What makes requests from a document."""
    # What is answered of a customer's limits names every service, and of its usage perhaps none.
    for name in ("ServiceLimits", "UsageResult"):
        filled["components"]["schemas"][name] = served()["components"]["schemas"][name]
    document = schemathesis.openapi.from_dict(filled, config=schemathesis.Config.from_dict(CONFIG))
    document.app = get_wsgi_application()
    document.hook(map_body)
    return document


def once_each(filled):
    """The same document without what is said twice: a body under a second media type, and items of batches.

    The items of a batch are what may be sent alone, and is tried alone; in a batch they are one good item.
    """
    good = valid_bodies(moment=at(30).isoformat())
    good["/lago/api/v1/events/batch"] = good["/lago/api/v1/events"]["event"]
    for path, methods in filled["paths"].items():
        body = methods.get("post", {}).get("requestBody", {"content": {}})
        firsts = {json.dumps(content): name for name, content in reversed(body["content"].items())}
        body["content"] = {
            name: content for name, content in body["content"].items() if name in firsts.values()
        }
        for content in body["content"].values():
            for batch in batches(content["schema"]):
                batch["items"] = {"enum": [good[path]]}
                # Ten thousand take long; test_counters.py sends one too many to each endpoint.
                del batch["maxItems"]
    return filled


def batches(schema):
    """The lists of whole reports in the schema of a body."""
    candidates = [schema, *schema.get("oneOf", []), schema.get("properties", {}).get("events", {})]
    return [one for one in candidates if one.get("type") == "array"]


@pytest.fixture
def operation(request, document):
    """One of the document, by its label."""
    method, path = request.param.split()
    return document[path][method.lower()]


@pytest.fixture
def plain_operation(operation, plain_document):
    """The same operation of the plain document."""
    return plain_document[operation.path][operation.method]


def map_body(context: Any, body: Any) -> Any:
    """Send 1 for 1.0: JSON Schema knows no difference, we do, on purpose."""
    if isinstance(body, float) and body.is_integer():
        return int(body)
    if isinstance(body, list):
        return [map_body(context, inner) for inner in body]
    if isinstance(body, dict):
        return {name: map_body(context, inner) for name, inner in body.items()}
    return body


@schemathesis.serializer("application/x-ndjson")
def as_lines(context: Any, body: Any) -> Any:
    """One value a line."""
    if isinstance(body, bytes):
        return body
    return "\n".join(map(json.dumps, body if isinstance(body, list) else [body]))


# --- Requests --------------------------------------------------------------------------------------

HEADERS = [
    {"Accept": "text/html"},
    {"Accept": "nonsense"},
    {"Content-Type": "text/plain"},
    {"Content-Type": "application/x-www-form-urlencoded"},
    {"Content-Type": "application/json; charset=utf-16"},
]
# What JSON can say and UTF-8 cannot.
HALF_A_PAIR = rb"\ud800"
DAMAGES = [b"", b'"', b"]", b"NaN", b"1e999", rb"\u0000", b"\0", b"\xff"]


@pytest.fixture
def keys():
    """What is shown as a key, and the status that it gets, whatever is sent; None: any."""
    revoked, revoked_text = issue_service_key(name="revoked")
    revoke_service_key(key=revoked, now=timezone.now())
    return [
        (issue_service_key(name="chat-gateway-1", scopes=[Scope.USAGE_WRITE, Scope.CALLS_ADMIT])[1], None),
        (issue_service_key(name="reader", scopes=[Scope.BILLING_READ])[1], 403),
        (revoked_text, 401),
        ("sk_live_unknown", 401),
        ("", 401),
    ]


@pytest.fixture
def stage(acme, globex):
    """Both are customers and have used something; requests come over the test's own connection."""
    stored = [*KNOWN_IDS, *(f"{source} {own_id}" for source in KNOWN_IDS for own_id in KNOWN_IDS)]
    record(*(report(event_id, customer=code) for event_id in stored for code in CUSTOMER["enum"]))
    with connection.cursor() as cursor:
        # Storing usage sets it for its transaction, which here is the test's own and may last for minutes.
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
    # Django closes it before and after each request.
    for signal in (signals.request_started, signals.request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (signals.request_started, signals.request_finished):
        signal.connect(close_old_connections)


@pytest.fixture(scope="module", autouse=True)
def files_are_gone():
    """Collect what the client has not closed here, where that is no error, and not in a later test."""
    yield
    gc.collect()


def conforms(case):
    """Whether the document allows this body for this method."""
    if isinstance(case.body, bytes | schemathesis.core.NotSet):
        return False
    validator = body_validator(case.operation.path, case.method.lower(), case.media_type)
    return validator is not None and validator.is_valid(case.body)


@cache
def body_validator(path, method, media_type):
    """What tells whether the document allows a body; None where it names none for this method."""
    documented = served()["paths"][path].get(method) or {}
    if "requestBody" not in documented:
        return None
    content = documented["requestBody"]["content"]
    return jsonschema_rs.validator_for(content[media_type]["schema"] | {"components": served()["components"]})


def answer_to(case, key, headers=None, **sent):
    """The status of the answer, after comparing it with the document; nothing remains stored."""
    shown = {"Authorization": f"Bearer {key}"}
    # A body made to break one branch of a schema may keep another, e.g. a count as number and as text.
    excluded = MUST_BE_REFUSED if conforms(case) else []
    with transaction.atomic():
        answer = case.call_and_validate(headers=shown | (headers or {}), excluded_checks=excluded, **sent)
        transaction.set_rollback(True)
    return answer.status_code


def summary(operation, statuses):
    """How many requests there were, and how they were answered."""
    answers = ", ".join(f"{number} x {status}" for status, number in sorted(statuses.items()))
    return f"{operation.label}: {statuses.total()} requests, answered {answers}"


# --- Tests -----------------------------------------------------------------------------------------

each_post, each_read, each_release, each_operation = (
    pytest.mark.parametrize("operation", labels, indirect=True)
    for labels in (POSTS, READS, RELEASES, OPERATIONS)
)


def test_requests_go_to_every_operation_of_the_document(document):
    assert sorted(OPERATIONS) == sorted(
        document[path][method].label for path in document for method in document[path]
    )


@each_post
def test_whatever_is_sent_is_answered_as_documented(operation, stage, keys, record_property):
    statuses: Counter[str] = Counter()
    good, bad = (operation.as_strategy(generation_mode=mode) for mode in GenerationMode)
    is_open = operation.path in OPEN
    # In turn, so that each is shown however few requests there are.
    shown = cycle([*keys, *[keys[0]] * 10])

    @settings(SETTINGS, max_examples=REQUESTS)
    @given(
        case=good | bad,
        headers=st.sampled_from([{}] * 6 + HEADERS),
        query=st.sampled_from([{}, {}, {"format": "xml"}]),
    )
    def send(case, headers, query):
        text, expected = next(shown)
        status = answer_to(case, text, headers, params=query)
        assert is_open or expected in (None, status)
        statuses[str(status)] += 1

    send()

    record_property("answers", summary(operation, statuses))
    assert statuses.total() >= REQUESTS
    # Enough that get all the way; of batches few do, because each of their events must.
    assert statuses["200"] + statuses["204"] >= REQUESTS // 100
    assert set(statuses) <= set(operation.responses.status_codes) - RARE
    assert "422" in statuses
    assert "401" in statuses


@each_post
def test_a_body_that_is_damaged_anywhere_is_answered_as_documented(
    plain_operation, stage, keys, record_property
):
    statuses: Counter[str] = Counter()

    @settings(SETTINGS, max_examples=BODIES)
    @given(case=plain_operation.as_strategy(), other=st.sampled_from(DAMAGES))
    def send(case, other):
        body = json.dumps(case.body).encode()
        assume(len(body) < 600)
        for place in [found.end() for found in re.finditer(rb'[":,[{]', body)]:
            for damage in (HALF_A_PAIR, other):
                sent = body[:place] + damage + body[place + 1 :]
                statuses[str(answer_to(case, keys[0][0], data=sent))] += 1

    send()

    record_property("answers", summary(plain_operation, statuses))
    assert {"400", "422"} <= set(statuses)


@each_read
def test_whatever_is_asked_is_answered_as_documented(operation, stage, record_property):
    statuses: Counter[str] = Counter()
    close()
    is_open = operation.path in OPEN
    lines = list(ChargeLine.objects.values_list("pk", flat=True))
    package = buy(customer("acme"), tokens_product(services=("SenseChat-Turbo",)), now=at(70))
    bill = HourlyBill.objects.get(customer__code="acme").number
    known_parameters = {parameter.name for parameter in operation.query}
    good, bad = (operation.as_strategy(generation_mode=mode) for mode in GenerationMode)
    reader, reporter = (
        issue_service_key(name=scope, scopes=[scope])[1] for scope in (Scope.BILLING_READ, Scope.USAGE_WRITE)
    )
    # In turn, so that each is shown however few requests there are.
    shown = cycle([(reporter, 403), ("sk_live_unknown", 401), ("", 401), *[(reader, None)] * 7])

    @settings(SETTINGS, max_examples=REQUESTS)
    @given(
        case=good | bad,
        line=st.sampled_from([None, *lines]),
        known=st.sampled_from([{}] + [{"customer": "acme", "event_id": "a"}] * 2),
        headers=st.sampled_from([{}] * 6 + HEADERS),
    )
    def send(case, line, known, headers):
        text, expected = next(shown)
        if line is not None and "id" in case.path_parameters:
            case.path_parameters["id"] = line
        if (line is not None or known) and "number" in case.path_parameters:
            case.path_parameters["number"] = package.number if "packages" in operation.path else bill
        if "customer" in case.query:
            case.query |= {name: value for name, value in known.items() if name in known_parameters}
            if "start_time" in case.query:
                case.query.pop("end_time", None)  # which no schema can ask to be later
        # What is put in by us may mend what was made to be refused.
        excluded = MUST_BE_REFUSED if line is not None or known else []
        answer = case.call_and_validate(
            headers={"Authorization": f"Bearer {text}"} | headers, excluded_checks=excluded
        )
        # Where the address itself leads nowhere, no key is known_parameters for.
        assert is_open or expected in (None, answer.status_code) or answer.status_code == 404
        statuses[str(answer.status_code)] += 1

    send()

    record_property("answers", summary(operation, statuses))
    assert statuses.total() >= REQUESTS
    assert statuses["200"] >= REQUESTS // 20
    assert set(statuses) <= set(operation.responses.status_codes) - RARE
    refusals = {"400", "401"} if is_open else {"401", "403", "404"} & set(operation.responses.status_codes)
    assert refusals <= set(statuses)


@each_release
def test_whatever_is_released_is_answered_as_documented(operation, stage, keys, acme, record_property):
    statuses: Counter[str] = Counter()
    service = Service.objects.get(name="SenseChat-5")
    limits = CallLimits(rpm=10, tpm=None)
    for call_id in KNOWN_IDS:
        call_windows().admit([RequestedCall(acme.pk, service.pk, call_id, 1, limits)])
    call_windows().settle([SettledCall(acme.pk, KNOWN_IDS[1], 1)])

    @settings(SETTINGS, max_examples=REQUESTS)
    @given(
        case=operation.as_strategy(),
        call_id=st.sampled_from([None, None, *KNOWN_IDS]),
        key=st.sampled_from([keys[0]] * 10 + keys),
    )
    def send(case, call_id, key):
        text, expected = key
        if call_id is not None:
            case.path_parameters["call_id"] = call_id
            if "customer" in case.query:
                case.query["customer"] = "acme"
        status = answer_to(case, text)
        assert expected in (None, status) or status == 404
        statuses[str(status)] += 1

    send()

    record_property("answers", summary(operation, statuses))
    assert {"200", "401", "403", "404", "409"} == set(statuses) - {"400"}


@each_operation
def test_what_is_at_a_boundary_of_the_document_is_answered_as_documented(
    plain_operation, stage, keys, record_property
):
    statuses: Counter[str] = Counter()
    reporter, reader = keys[0][0], keys[1][0]
    key = reader if plain_operation.method == "get" else reporter

    def send(case):
        statuses[str(answer_to(case, key))] += 1

    # schemathesis' own decorator makes all requests while tests are collected, and in each process again.
    build_operation_test(
        config=plain_operation.schema.config,
        operation=plain_operation,
        test_func=send,
        given_kwargs={},
        feedback=FeedbackSources(),
        explicit_settings=SETTINGS,
    )()

    record_property("answers", summary(plain_operation, statuses))
    assert statuses


def test_the_document_asks_for_a_body_wherever_one_is_taken():
    posts = [path["post"] for path in served()["paths"].values() if "post" in path]

    assert posts
    assert all(post["requestBody"]["required"] for post in posts)


def test_the_document_says_null_as_openapi_3_1_does():
    assert served()["openapi"].startswith("3.1")
    assert "nullable" not in json.dumps(served())


def test_every_reference_of_the_document_leads_to_a_schema():
    referred = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(served())))

    assert referred - served()["components"]["schemas"].keys() == set()
