"""Each measure is taken everywhere; docs/architecture.md, "To add a measure", says what to do.

`tests/sensenova_billing/test_inventions.py` runs this with an invented measure.
"""

import datetime as dt
import json
import re
from decimal import Decimal
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.api_keys.keys import issue_service_key
from accounts.models import Customer, Scope
from invoices.books.rerun import repeat_rating
from invoices.books.verify import verify_books
from invoices.drilldown.trace.lines import records_of
from invoices.models import ChargeLine
from invoices.price_impact.simulate import price_effects
from pricing.catalogue.initial import BEGINS_AT
from pricing.catalogue.offering import fact_of
from pricing.changes.apply import apply_rows
from pricing.changes.rows import PriceRow
from pricing.changes.stored import all_rows
from pricing.files.formats import csv_file, read_rows
from pricing.models import BillingItem, CallSpecification, Price, Service, ServiceGroup
from pricing.rules.kinds import Kind
from pricing.rules.measures import TPM_MEASURES, WHOLE_OF, Measure
from pricing.timeline.differences import PriceComparison, PriceInterval, PriceSeries
from tests.builders import THE_HOUR, at, close
from tests.invoices.browsing import text
from tests.tables import DOCS
from tests.usage.clients.deliveries import UNIX, send
from usage.clients.cloudevents import OPENMETER_TYPES
from usage.clients.lago import LAGO_CODES
from usage.clients.otlp import OTLP_NAMES
from usage.clients.parsing import LITELLM_NAMES, measure_of_each
from usage.clients.schemas import CLIENT_SCHEMAS
from usage.ingest.reversals import reverse_record
from usage.limits.stores.choice import call_windows
from usage.models import UsageRecord

pytestmark = pytest.mark.django_db

EACH = pytest.mark.parametrize("measure", Measure)
SERVICE = "Everything"
USED = 7
# Each measure has a price of its own, in RMB per thousand.
PRICES = {measure: Decimal(place) / 100 for place, measure in enumerate(Measure, start=1)}


@pytest.fixture(autouse=True)
def everything(acme: Customer) -> Service:
    """A service that charges for every measure, and Acme, who uses it."""
    group = ServiceGroup.objects.earliest("position")
    service = Service.objects.create(name=SERVICE, group=group, position=99)
    CallSpecification.objects.create(service=service, rpm=60, tpm=1000, begins_at=BEGINS_AT)
    for measure, unit_price in PRICES.items():
        item = BillingItem.objects.create(service=service, measure=measure)
        Price.objects.create(billing_item=item, unit_price=unit_price, begins_at=BEGINS_AT)
    return service


def call(event_id="call-1", *, occurred_at=None, **used):
    """A report of a call of the service, as a sender writes it."""
    occurred_at = (occurred_at or at(10)).isoformat()
    return {"event_id": event_id, "customer": "acme", "service": SERVICE, "occurred_at": occurred_at} | used


def using(measure):
    """What a call used that used so much of this measure: as much of the whole that it is a part of."""
    return {measure: USED} | ({WHOLE_OF[measure]: USED} if measure in WHOLE_OF else {})


def stored(event_id):
    """What a record holds of each measure, where it holds something."""
    record = UsageRecord.objects.get(event_id=event_id)
    return {measure: used for measure in Measure if (used := record.quantity_of(measure))}


def billed(post, measure):
    """The charge line of a call that used this measure, once its hour is closed."""
    post(json.dumps(call(**using(measure))))
    close()
    return ChargeLine.objects.select_related("bill").get(measure=measure)


@EACH
def test_a_single_report_and_a_batch_store_it(post, measure):
    single, batch = call("1", **using(measure)), [call("2", **using(measure)), call("3")]

    assert [post(json.dumps(body)).status_code for body in (single, batch)] == [200, 200]

    assert (stored("1"), stored("2"), stored("3")) == (using(measure), using(measure), {})


@EACH
def test_it_is_stored_from_each_client_that_has_a_name_for_it(service_key, measure):
    sent = [
        *(("/api/v1/litellm", litellm(name)) for name in LITELLM_NAMES.get(measure, ())),
        ("/api/v1/events", cloud_event(using(measure))),
        *(("/api/v1/events", cloud_event({name: USED})) for name in LITELLM_NAMES.get(measure, ())),
        *(
            ("/api/v1/events", cloud_event({"tokens": USED, "type": n}))
            for n in OPENMETER_TYPES.get(measure, ())
        ),
        ("/lago/api/v1/events", lago("any", using(measure))),
        *(
            ("/lago/api/v1/events", lago(code, {"value": USED}))
            for code, whole in LAGO_CODES.items()
            if whole == measure
        ),
        *(("/v1/traces", span(measure, name)) for name in OTLP_NAMES.get(measure, ())),
    ]

    answers = [send(path, body, service_key) for path, body in sent]

    assert {answer.status_code for answer in answers} <= {200, 204}
    assert [stored(record.event_id) for record in UsageRecord.objects.all()] == [using(measure)] * len(sent)


def litellm(name):
    return {"id": uuid4().hex, "model": SERVICE, "end_user": "acme", "endTime": int(UNIX), name: USED}


def cloud_event(used):
    return {
        "specversion": "1.0",
        "id": uuid4().hex,
        "source": "test",
        "type": "use",
        "subject": "acme",
        "time": at(10).isoformat(),
        "data": {"model": SERVICE} | used,
    }


def lago(code, used):
    event = {"transaction_id": uuid4().hex, "external_subscription_id": "acme", "code": code}
    return {"event": event | {"timestamp": int(UNIX), "properties": {"model": SERVICE} | used}}


def span(measure, name):
    used = {OTLP_NAMES[part][0]: USED for part in using(measure)} if measure in WHOLE_OF else {name: USED}
    attributes = [
        *({"key": name, "value": {"intValue": used}} for name, used in used.items()),
        {"key": "gen_ai.request.model", "value": {"stringValue": SERVICE}},
        {"key": "user.id", "value": {"stringValue": "acme"}},
    ]
    sent = {
        "traceId": uuid4().hex,
        "spanId": uuid4().hex[:16],
        "endTimeUnixNano": f"{UNIX}000000000",
        "attributes": attributes,
    }
    return {"resourceSpans": [{"scopeSpans": [{"spans": [sent]}]}]}


def test_the_schemas_of_clients_name_what_the_formats_read():
    objects = {name: schema for name, schema in CLIENT_SCHEMAS.items() if "properties" in schema}
    schemas = {name: schema["properties"] for name, schema in objects.items()}

    assert {*Measure} <= schemas["UsageObject"].keys()
    assert measure_of_each(LITELLM_NAMES).keys() <= schemas["LiteLLMCall"].keys()
    assert {*schemas["OpenMeterCount"]["type"]["enum"]} == measure_of_each(OPENMETER_TYPES).keys()


@EACH
def test_an_admitted_call_is_settled_to_what_the_tpm_counts(post, everything, acme, measure):
    wanted = {"customer": "acme", "service": SERVICE, "estimated_tokens": 500, "call_id": "admitted"}
    _, key = issue_service_key(name="gateway", scopes=(Scope.CALLS_ADMIT,))
    assert send("/api/v1/calls", wanted, key).status_code == 200

    post(json.dumps(call(occurred_at=timezone.now(), call_id="admitted", **using(measure))))

    (use,) = call_windows().look([(acme.pk, everything.pk)])
    assert (use.calls, use.tokens) == (1, USED if {*using(measure)} & {*TPM_MEASURES} else 0)


@EACH
def test_a_bill_charges_for_it_and_leads_to_its_records(post, alice_client, measure):
    line = billed(post, measure)

    page = alice_client.get(reverse("bill", args=[line.bill.number]))

    assert (line.quantity, line.amount) == (USED, USED * PRICES[measure] / 1000)
    assert measure.label in text(page)
    assert [record.quantity for record in records_of(line=line)] == [USED]


@EACH
def test_a_reversal_takes_it_back_and_the_books_verify(post, acme, measure):
    billed(post, measure)

    reverse_record(customer=acme, event_id="call-1", reason="A test run.", by="operator", now=at(70))
    close(hour=1)

    assert ChargeLine.objects.get(measure=measure, correction="reversal").quantity == -USED
    assert verify_books(besides=repeat_rating).findings.first == []


@EACH
def test_the_effect_of_a_price_counts_it(post, everything, measure):
    post(json.dumps(call(**using(measure))))
    items = list(everything.billing_items.filter(measure__in=using(measure)))
    prices = {item.pk: fact_of(item.prices.get()) for item in items}
    counting: dict[PriceSeries, PriceComparison] = {
        (item, None): PriceComparison(price, price) for item, price in prices.items()
    }
    interval = PriceInterval(at(0), None, counting)

    (effect,) = price_effects(items=items, intervals=[interval], since=THE_HOUR, until=at(60))

    assert effect.costs.cost == USED * PRICES[measure] / 1000
    assert [one.quantities[measure] for one in effect.customers] == [USED]


@EACH
def test_the_price_page_shows_it_and_its_calculator_asks_for_it(measure):
    page = Client().get(reverse("prices"), {"service": SERVICE, **using(measure)})
    (line,) = [line for line in page.context["estimate"].lines if line.quantity]
    (script,) = re.findall(r'id="calculator-words"[^>]*>(.*?)</script>', page.content.decode())

    assert measure.label in text(page)
    assert f'name="{measure}"' in page.content.decode()
    assert (line.measure, line.quantity) == (measure, USED)
    assert json.loads(script)["measures"][measure] == measure.label


@EACH
def test_an_estimate_prices_it(measure):
    usage = {"usage": [{"service": SERVICE, **using(measure)}]}

    answer = Client().post(reverse("api_estimates"), json.dumps(usage), content_type="application/json")

    (line,) = [line for line in answer.json()["lines"] if line["quantity"] != "0"]
    assert (line["billing_item"], line["quantity"]) == (measure, str(USED))


@EACH
def test_a_catalogue_file_carries_it_out_and_in(everything, measure):
    bare = Service.objects.create(name="Bare", group=everything.group, position=100)
    row = PriceRow(
        service=bare.name, measure=measure, kind=Kind.LIST_PRICE, unit_price=Decimal(1), unit_size=1000,
        begins_at=timezone.now() + dt.timedelta(days=1),
    )  # fmt: skip

    reading = read_rows(data=csv_file([*all_rows(), row]), name="prices.csv")
    apply_rows(
        rows=[stated.row for stated in reading.stated], by="operator", reason="A test.", now=timezone.now()
    )

    assert reading.problems == []
    assert bare.billing_items.get().measure == measure


@EACH
@pytest.mark.parametrize(("page", "name"), [("catalogue-files.md", "`{}`"), ("clients.md", "`data.{}`")])
def test_the_documentation_names_it(page, name, measure):
    assert name.format(measure) in (DOCS / page).read_text(encoding="utf-8")
