"""With payloads in every name, nothing runs in a browser, and its policy has nothing to refuse."""

import pytest
from django.urls import reverse

from accounts.models import AuditEntry, ServiceKey
from invoices.models import ChargeLine, HourlyBill
from pricing.models import Service, ServiceGroup
from tests.injection.payloads import PAYLOADS
from tests.injection.stage import EVENT_IDS, NAMES, NOW, USAGE, set_everything

pytestmark = pytest.mark.django_db(transaction=True)

DID_NOT_RUN = "typeof window.pwn === 'undefined'"


@pytest.fixture
def watched(page, acme, alice, monkeypatch):
    """Acme with payloads in every name, some hours later; what the console says is a fault too."""
    set_everything(acme, alice)
    monkeypatch.setattr("sensenova_billing.lib.clock.now", lambda: NOW)
    page.context.on("console", lambda said: said.type == "error" and page.faults.append(said.text))
    page.context.on("dialog", lambda dialog: page.faults.append(dialog.message))
    return page


def ran_on(page, *paths):
    """The pages on which a payload ran."""
    ran = []
    for path in paths:
        assert page.goto(path).status == 200
        page.wait_for_load_state("networkidle")
        if not page.evaluate(DID_NOT_RUN):
            ran.append(path)
    return ran


def test_nothing_runs_on_a_customers_pages(watched, admin, alice):
    page, bill = admin(alice), HourlyBill.objects.latest("pk")
    names = ["overview", "bills", "limits", "packages", "keys", "people", "settings", "record"]
    of_acme = [reverse(f"customer_{name}", args=["acme"]) for name in names]
    found = reverse("customer_record", args=["acme"], query={"event_id": EVENT_IDS[0]})
    line = ChargeLine.objects.filter(bill=bill).earliest("pk")

    assert ran_on(page, *of_acme, found, USAGE, "/prices", "/account", "/account/sessions") == []
    assert ran_on(page, f"/bills/{bill.number}", f"/bills/{bill.number}/lines/{line.pk}") == []
    page.goto("/customers/acme/keys")
    assert [payload for payload in PAYLOADS if payload not in page.inner_text("main")] == []


def test_nothing_runs_on_the_admins_pages(watched, admin, operator, acme):
    page = admin(operator)
    lists = ["accounts_customer", "accounts_user", "accounts_servicekey", "accounts_auditentry"]
    lists += ["pricing_service", "pricing_price", "pricing_proposal", "invoices_rerating"]
    changed = {
        "accounts_customer": acme.pk,
        "accounts_servicekey": ServiceKey.objects.latest("pk").pk,
        "accounts_auditentry": AuditEntry.objects.filter(table="pricing_proposal").latest("pk").pk,
        "pricing_service": Service.objects.get(name=NAMES[0]).pk,
    }
    groups = [group.pk for group in ServiceGroup.objects.filter(name__in=NAMES)]
    previewed = {"show": "1", "percent_off": "10", "begins_at": f"{NOW:%Y-12-31T23:00}", "groups": groups}
    record = {"customer": "acme", "event_id": EVENT_IDS[0]}

    assert ran_on(page, "/admin/", *(reverse(f"admin:{name}_changelist") for name in lists)) == []
    assert ran_on(page, *(reverse(f"admin:{name}_change", args=[pk]) for name, pk in changed.items())) == []
    assert ran_on(page, reverse("announce_offer", query=previewed)) == []
    assert ran_on(page, reverse("usage_record", query=record), reverse("onboard_customer")) == []
    assert ran_on(page, reverse("admin_search", query={"q": NAMES[0][:30]})) == []


def test_nothing_runs_in_a_choice_that_is_searched(watched, admin, operator):
    """The theme's script writes what the server found into the list."""
    page = admin(operator)
    page.goto(reverse("admin:pricing_callspecification_add"))
    page.locator(".field-service .select2-selection").click()
    page.get_by_role("searchbox").fill("pwn")
    shown = page.locator(".select2-results__option", has_text="<img src=x onerror=pwn=1>").first
    shown.click()

    page.locator(".field-service .select2-selection", has_text="<img src=x onerror=pwn=1>").wait_for()
    assert page.evaluate(DID_NOT_RUN)


def test_what_a_careless_script_writes_would_be_seen(watched, admin, alice):
    """The control."""
    page = admin(alice)
    page.goto("/prices")
    page.evaluate("document.querySelector('main').innerHTML = '<img src=x onerror=pwn=1>'")
    page.wait_for_load_state("networkidle")

    assert any("script-src-attr refuses inline" in fault for fault in page.faults)
    page.faults.clear()
