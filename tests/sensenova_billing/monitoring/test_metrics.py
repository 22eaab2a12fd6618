"""How the closing stands, for machines: /metrics, /readyz, and the admin's first page for people."""

import json
import re
from decimal import Decimal

import pytest
from prometheus_client.parser import text_string_to_metric_families

from invoices.books.results import store_verification
from invoices.books.verify import verify_books
from invoices.models import Verification
from sensenova_billing.lib.measurements import Metric
from sensenova_billing.monitoring.metrics import HELP, PREFIX
from tests.builders import THE_HOUR, as_json, at, close, record, report
from tests.invoices.books.builders import alter, keep_books
from tests.tables import code, table
from usage.billing_hours import database_now
from usage.models import HOUR, RefusalReason

pytestmark = pytest.mark.django_db


def metrics(client):
    """Every sample that is answered, by its name and labels."""
    answer = client.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    families = [*text_string_to_metric_families(answer.content.decode())]
    assert all(family.documentation for family in families)
    return {
        (sample.name.removeprefix("sensenova_billing_"), *sample.labels.values()): sample.value
        for family in families
        if family.name.removeprefix("sensenova_billing_") not in [*Metric]  # tests before this one had some
        for sample in family.samples
    }


def test_metrics_of_an_empty_product(client):
    assert metrics(client) == {
        ("unclosed_seconds",): 0,
        ("open_hours_beyond_usual",): 0,
        ("parked_hours",): 0,
        ("payment_mismatches",): 0,
        ("payment_disputes",): 0,
        ("einvoice_requests",): 0,
        ("verification_findings",): 0,
        ("queue_seconds",): 0,
        ("alarm", "unclosed"): 0,
        ("alarm", "open_hour"): 0,
        ("alarm", "parked"): 0,
        ("alarm", "late"): 0,
        ("alarm", "refused"): 0,
        ("alarm", "quarantine"): 0,
        ("alarm", "above_quota"): 0,
        ("alarm", "payment_mismatch"): 0,
        ("alarm", "dispute"): 0,
        ("alarm", "einvoice"): 0,
        ("alarm", "verification"): 0,
    } | {("refused_usage_total", reason): 0 for reason in RefusalReason.values}


def test_metrics_tell_how_long_an_hour_is_overdue(acme, client):
    record(report())

    samples = metrics(client)

    assert samples["unclosed_seconds",] >= 2 * 3600  # THE_HOUR ended 2 to 3 hours ago
    assert samples["alarm", "unclosed"] == 1


def test_metrics_tell_of_parked_hours_and_late_usage(acme, globex, settings, client):
    settings.PARK_ABOVE_AMOUNT = Decimal(1)
    record(report(), report("much", customer="globex", input_tokens=50_000))
    close()
    record(report("late"), now=at(70))
    close(hour=1)

    samples = metrics(client)

    assert (samples["late_share",], samples["alarm", "late"]) == (0.5, 1)
    assert (samples["parked_hours",], samples["alarm", "parked"]) == (1, 1)


def test_metrics_tell_what_a_verification_found(acme, client):
    keep_books()
    alter("invoices_hourlybill", "customer_name = 'Another'")
    store_verification(verified=verify_books(), now=at(5, hour=2))

    samples = metrics(client)

    assert (samples["verification_findings",], samples["alarm", "verification"]) == (2, 1)
    assert samples["verified_timestamp_seconds",] == at(5, hour=2).timestamp()


def test_metrics_tell_how_much_usage_was_refused_for_each_reason(acme, post, client):
    for number in range(29):
        post(json.dumps(as_json(report(f"call-{number}", service="made-up"))))

    samples = metrics(client)

    assert (samples["refused_usage_total", "unknown_service"], samples["alarm", "refused"]) == (29, 1)
    assert client.get("/readyz").json()["alarms"]["refused"]["level"] == "warning"


def test_the_documentation_names_every_metric_and_every_alarm(client, settings):
    settings.SEALS_FILE = "seals.csv"  # without it there is no alarm about seals
    settings.CANARY_CUSTOMERS = ["canary"]  # nor about canaries
    documented = {code(row[0]).partition("{")[0] for row in table("operations.md", "metric", "says")}
    alarms = {code(name) for name, _ in table("operations.md", "alarm", "raised when")}
    reasons = {code(name) for name, _ in table("operations.md", "reason", "says")}

    assert documented == {f"{PREFIX}_{name}" for name in HELP}
    labels = {label for _, *labels in metrics(client) for label in labels}
    assert (alarms | reasons, alarms & reasons) == (labels, set())
    assert reasons == set(RefusalReason.values)


def test_readyz_tells_the_alarms_and_is_not_made_unready_by_them(acme, client):
    """The tests' own database may run without fsync and is not ready then: before as after."""
    before = client.get("/readyz")
    record(report())

    overdue = client.get("/readyz")

    assert overdue.status_code == before.status_code
    assert overdue.json()["alarms"]["unclosed"]["level"] == "alarm"
    assert before.json()["alarms"]["unclosed"] == {"level": "ok", "text": "There is no usage yet."}


# --- The admin's first page ------------------------------------------------------------------------


def cards(client):
    """The cards of the admin's first page: heading, state, text and where each leads."""
    page = client.get("/admin/").content.decode()
    (section,) = re.findall(r'<section [^>]*aria-label="State of the closing.*?</section>', page, re.DOTALL)
    hrefs = re.findall(r'<a href="([^"]*)"', section)
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", section))
    return words, hrefs


def test_the_admins_first_page_says_in_words_that_all_is_well(acme, operator_client):
    keep_books(hours=(database_now() - THE_HOUR) // HOUR)  # all that have ended
    store_verification(verified=verify_books(), now=database_now())

    words, hrefs = cards(operator_client)

    assert words.count("OK") == 12
    assert {"/admin/usage/billinghour/", "/admin/invoices/verification/"} <= {*hrefs}
    assert len(hrefs) == len({*hrefs})  # a way within a way would be torn apart by the browser


def test_the_admins_first_page_says_what_is_overdue(acme, operator_client):
    record(report())

    words, _ = cards(operator_client)

    assert "Alarm" in words
    assert f"The hour {THE_HOUR:%Y-%m-%d %H:%M} UTC ended" in words


def test_the_admins_first_page_does_not_say_in_order_while_usage_is_refused(acme, post, operator_client):
    for number in range(29):
        post(json.dumps(as_json(report(f"call-{number}", customer="nobody"))))

    words, hrefs = cards(operator_client)

    assert re.search(r"Needs attention 29 usage records were refused since \d\d:00 UTC, 29 of them", words)
    assert (words.count("OK"), words.count("Not yet known")) == (10, 1)
    assert "/admin/usage/refusedusage/" in hrefs


def test_the_first_page_of_staff_without_rights_has_no_ways_to_the_lists(operator, operator_client):
    type(operator).objects.update(is_superuser=False)

    words, hrefs = cards(operator_client)

    assert ("OK" in words, hrefs) == (True, [])


def test_a_verification_is_read_in_the_admin(acme, operator_client):
    keep_books()
    alter("invoices_hourlybill", "customer_name = '<b>Another'")
    store_verification(verified=verify_books(), now=at(5, hour=2))

    path = f"/admin/invoices/verification/{Verification.objects.get().pk}/change/"
    page = operator_client.get(path).content.decode()

    assert "the documents and the seal before do not give the seal of this hour" in page
    assert operator_client.get("/admin/invoices/verification/").status_code == 200
