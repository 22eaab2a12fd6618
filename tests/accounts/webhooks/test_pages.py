"""The pages of webhooks: owners manage endpoints, finance sees them, viewers and other customers do not."""

import re

import pytest
from django.urls import reverse

from accounts.models import Member, WebhookDelivery, WebhookEndpoint
from tests.accounts.api_keys.test_key_rights import everything_stored
from tests.accounts.webhooks.builders import endpoint, send_due, suspended
from tests.querying import get_within

pytestmark = pytest.mark.django_db

URL = "http://127.0.0.1/hooks"
NEW = {"url": URL, "kinds": ["bill.closed", "package.low"]}
SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]+")
READ = ["customer_webhooks", "customer_webhook", "webhook_delivery"]
ASK = ["add_webhook", "choose_webhook_events", "rotate_webhook_secret", "remove_webhook"]
ACT = ["disable_webhook", "enable_webhook", "test_webhook", "resend_webhook"]


@pytest.fixture
def acmes(acme, receiver):
    """Acme's endpoint, to which an event was sent."""
    made = endpoint(acme, receiver.url)
    receiver.answers = [(500, {}, b"<script>alert(1)</script>")]
    suspended(acme)
    send_due()
    return made


def address(name, code="acme", made=None):
    """Where a page is, of the endpoint that there is."""
    arguments = [code]
    if name not in ("customer_webhooks", "add_webhook"):
        arguments.append((made or WebhookEndpoint.objects.get()).pk)
    if name in ("webhook_delivery", "resend_webhook"):
        arguments.append(WebhookDelivery.objects.get().pk)
    return reverse(name, args=arguments)


def text(answer):
    return answer.content.decode()


def test_an_owner_adds_an_endpoint_and_sees_its_secret_in_this_answer_only(alice_client):
    answer = alice_client.post(address("add_webhook"), NEW)
    (secret,) = SECRET.findall(text(answer))

    made = WebhookEndpoint.objects.get()
    assert (made.url, made.kinds, made.secret) == (URL, NEW["kinds"], secret)
    pages = [text(alice_client.get(address(name))) for name in ("customer_webhooks", "customer_webhook")]
    assert [URL in page for page in pages] == [True, True]
    assert not any("whsec_" in page for page in pages)
    assert "no-store" in answer.headers["Cache-Control"]


@pytest.mark.parametrize(
    "fields",
    [{"url": ""}, {"url": "ftp://a"}, {"url": "http://10.0.0.1"}, {"url": "https://a.invalid"}]
    + [{"kinds": []}, {"kinds": ["all"]}, {"kinds": ["webhook.test"]}, {"url": "https://a\0b"}],
    ids=str,
)
def test_a_form_that_is_not_right_adds_nothing(alice_client, fields):
    assert alice_client.post(address("add_webhook"), NEW | fields).status_code == 400
    assert not WebhookEndpoint.objects.exists()


def test_a_form_that_is_sent_twice_adds_one_endpoint(alice_client):
    answers = [alice_client.post(address("add_webhook"), NEW) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 400]
    assert "with this address already" in text(answers[1])


def test_an_owner_rotates_the_secret(alice_client, acmes):
    answer = alice_client.post(address("rotate_webhook_secret"), {"overlap": "24"})
    (secret,) = SECRET.findall(text(answer))

    acmes.refresh_from_db()
    assert (acmes.secret, len(acmes.secrets_at(acmes.created_at))) == (secret, 2)
    again = alice_client.post(address("rotate_webhook_secret"), {"overlap": "24"})
    assert (again.status_code, SECRET.findall(text(again))) == (400, [])


def test_an_owner_chooses_other_events(alice_client, acmes):
    alice_client.post(address("choose_webhook_events"), {"kinds": ["package.expiring"]})

    acmes.refresh_from_db()
    assert acmes.kinds == ["package.expiring"]


def test_an_owner_sends_a_test_and_reads_what_came_of_it(alice_client, acmes, receiver):
    page = text(alice_client.post(address("test_webhook"), follow=True))
    assert ("A test is sent" in page, "waiting" in page) == (True, True)
    send_due()

    page = text(alice_client.get(address("customer_webhook")))

    assert ("webhook.test" in page, "delivered" in page) == (True, True)


def test_an_owner_resends_what_failed(alice_client, acmes, receiver):
    page = text(alice_client.get(address("customer_webhook")))
    assert "failed 1 time, again at" in page

    alice_client.post(address("resend_webhook"))
    send_due()

    assert len(receiver.ids) == 2
    assert len(set(receiver.ids)) == 1


def test_the_log_shows_the_answer_as_text_and_what_was_sent(alice_client, acmes):
    page = text(alice_client.get(address("webhook_delivery")))

    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page
    assert "&quot;type&quot;: &quot;customer.suspended&quot;" in page
    assert "the answer was not 2xx" in page


def test_an_owner_disables_enables_and_removes(alice_client, acmes):
    alice_client.post(address("disable_webhook"))
    assert "disabled: by a person" in text(alice_client.get(address("customer_webhooks")))
    alice_client.post(address("enable_webhook"))
    acmes.refresh_from_db()
    assert acmes.disabled_at is None

    assert f"Remove {acmes.url}</button>" in text(alice_client.get(address("remove_webhook")))
    alice_client.post(address("remove_webhook"))

    alice_client.get(address("customer_webhooks"))  # says that it is removed
    assert acmes.url not in text(alice_client.get(address("customer_webhooks")))
    assert alice_client.get(address("customer_webhook", made=acmes)).status_code == 404


@pytest.mark.parametrize(("role", "may_read"), [("finance", True), ("viewer", False)])
def test_finance_sees_and_viewers_do_not_and_neither_manages(alice_client, acmes, role, may_read):
    Member.objects.update(role=role)

    read = [alice_client.get(address(name)).status_code for name in READ]
    refused = [alice_client.get(address(name)).status_code for name in ASK]
    refused += [alice_client.post(address(name), NEW | {"overlap": "0"}).status_code for name in ASK + ACT]

    assert read == [200 if may_read else 403] * len(READ)
    assert set(refused) == {403}
    entry = reverse("customer_webhooks", args=["acme"])
    assert (entry in text(alice_client.get(reverse("customer_keys", args=["acme"])))) == may_read


def test_finance_is_shown_no_button_that_it_may_not_press(alice_client, acmes):
    Member.objects.update(role="finance")

    pages = [text(alice_client.get(address(name))) for name in READ]

    assert not [name for name in ASK + ACT for page in pages if address(name) in page]


def test_another_customers_endpoint_is_not_there_under_ones_own_address(alice_client, globex):
    made = endpoint(globex, URL)
    suspended(globex)

    names = [*READ[1:], *ASK[1:], *ACT]
    answers = [alice_client.post(address(name)) for name in names if name not in READ]
    answers += [alice_client.get(address(name)) for name in READ[1:]]

    assert {answer.status_code for answer in answers} == {404}
    made.refresh_from_db()
    assert (made.disabled_at, made.removed_at) == (None, None)


def test_an_event_of_another_endpoint_is_not_there(alice_client, acme, acmes):
    other = endpoint(acme, URL)
    page = reverse("webhook_delivery", args=["acme", other.pk, WebhookDelivery.objects.get().pk])

    assert alice_client.get(page).status_code == 404


def test_where_nothing_is_yet_there_is_a_next_step(alice_client, acme):
    page = text(alice_client.get(address("customer_webhooks")))
    assert page.count(address("add_webhook")) == 1

    endpoint(acme, URL)

    page = text(alice_client.get(address("customer_webhook")))
    assert ("Nothing was sent yet" in page, address("test_webhook") in page) == (True, True)


def test_the_log_goes_on_by_pages(alice_client, acme, acmes, monkeypatch):
    monkeypatch.setattr("accounts.webhooks.views.DELIVERIES_A_PAGE", 2)
    for number in range(3):
        suspended(acme, f"more {number}")
    page = text(alice_client.get(address("customer_webhook")))
    (older,) = re.findall(r"\?older_than=(\d+)", page)
    rest = text(alice_client.get(f"{address('customer_webhook')}?older_than={older}"))

    assert [len(re.findall(r"<code>evt_", one)) for one in (page, rest)] == [2, 2]
    assert alice_client.get(f"{address('customer_webhook')}?older_than=x").status_code == 400


@pytest.mark.parametrize("name", READ)
def test_pages_take_few_statements(alice_client, acmes, name):
    get_within(alice_client, address(name), queries=9)


def test_secrets_are_in_no_other_table(alice_client, acmes):
    stored = [one for one in everything_stored() if acmes.secret in one]

    assert len(stored) == 1  # its own row: deliveries are signed with it


@pytest.mark.parametrize("model", ["webhookendpoint", "webhookdelivery"])
def test_staff_read_endpoints_and_deliveries_and_no_secret(operator_client, acmes, model):
    pk = {"webhookendpoint": acmes, "webhookdelivery": WebhookDelivery.objects.get()}[model].pk
    pages = [
        operator_client.get(reverse(f"admin:accounts_{model}_changelist")),
        operator_client.get(reverse(f"admin:accounts_{model}_change", args=[pk])),
    ]

    assert [page.status_code for page in pages] == [200, 200]
    assert all(acmes.url in text(page) and "whsec_" not in text(page) for page in pages)
    assert operator_client.get(reverse(f"admin:accounts_{model}_add")).status_code == 403
