"""Every page works under its Content-Security-Policy: a violation fails the test (fixture `visitor`)."""

from itertools import cycle

import pytest
from django.urls import reverse

from accounts.api_keys.keys import issue_service_key
from invoices.models import ChargeLine
from pricing.models import Price
from tests.builders import close, item, record, report
from tests.conftest import PASSWORD
from usage.models import BillingHour

pytestmark = pytest.mark.django_db(transaction=True)

TABS = 3


@pytest.fixture
def used(page, acme):
    """Acme has a bill, and usage in the running hour."""
    record(report())
    close()
    record(report("late"))


def visit(page, *paths):
    """Look at these pages, each until nothing is loaded any more; one rests while others load."""
    tabs = [page, *(page.context.new_page() for _ in paths[1:TABS])]
    for tab, path in zip(cycle(tabs), paths, strict=False):
        tab.wait_for_load_state("networkidle")
        answer = tab.goto(path)
        assert (answer.status, bool(answer.headers["content-security-policy"])) == (200, True)
    for tab in tabs:
        tab.wait_for_load_state("networkidle")


def test_the_pages_for_everybody(page):
    visit(page, "/prices", "/sign-in", "/admin/login/")


def test_the_pages_of_the_api(page):
    visit(page, "/api/docs")

    page.get_by_text("/api/v1/calls").first.wait_for()


def test_the_pages_of_a_customer(page, alice, used):
    page.goto("/sign-in")
    page.fill("[name=username]", alice.email)
    page.fill("[name=password]", PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/customers/acme")
    line = ChargeLine.objects.earliest("pk")

    visit(
        page, "/customers/acme", "/customers/acme/bills", "/customers/acme/limits", "/customers/acme/records"
    )
    visit(page, f"/bills/{line.bill.number}", f"/bills/{line.bill.number}/lines/{line.pk}")
    assert page.evaluate("Boolean(document.querySelector('main'))")


ADMIN_MODELS = [
    "accounts_customer",
    "accounts_user",
    "accounts_servicekey",
    "accounts_auditentry",
    "pricing_servicegroup",
    "pricing_service",
    "pricing_servicealias",
    "pricing_billingitem",
    "pricing_price",
    "pricing_proposal",
    "pricing_callspecification",
    "pricing_packageterms",
    "pricing_quotapackage",
    "invoices_packagecredit",
    "invoices_parkedhour",
    "invoices_hourlybill",
    "invoices_rerating",
    "invoices_verification",
    "usage_billinghour",
]


def test_the_lists_of_the_admin(admin, operator, used):
    page = admin(operator)

    visit(page, *(reverse(f"admin:{model}_changelist") for model in ADMIN_MODELS))


def test_the_forms_of_the_admin(admin, operator, used, acme):
    page = admin(operator)
    key, _ = issue_service_key(name="gateway")
    changed = {
        "accounts_customer": acme.pk,
        "accounts_user": operator.pk,
        "accounts_servicekey": key.pk,
        "pricing_price": Price.objects.earliest("pk").pk,
        "usage_billinghour": BillingHour.objects.get().pk,
    }
    added = ("accounts_customer", "accounts_user", "accounts_servicekey", "pricing_callspecification")

    visit(page, *(reverse(f"admin:{model}_change", args=[pk]) for model, pk in changed.items()))
    visit(page, *(reverse(f"admin:{model}_add") for model in added))
    visit(
        page, *(reverse(f"admin:accounts_servicekey_{deed}", args=[key.pk]) for deed in ("rotate", "revoke"))
    )


def test_a_person_signs_in_to_the_admin(page, operator):
    page.goto(reverse("admin:login"))
    page.fill("[name=username]", operator.email)
    page.fill("[name=password]", PASSWORD)
    page.click("[type=submit]")
    page.wait_for_url("**/admin/")

    visit(page, reverse("admin:index"))


def test_the_last_entry_of_the_sidebar_is_reached(admin, operator):
    page = admin(operator)
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto("/admin/")
    page.get_by_role("link", name="Verifications", exact=True).click()
    page.wait_for_url("**/admin/invoices/verification/")

    assert page.get_by_role("link", name="Find a record").count() == 0


def test_the_other_pages_of_the_admin(admin, operator, used):
    page = admin(operator)
    names = ["usage_record", "refused_calls", "own_password", "catalogue_import", "announce_offer"]
    names += ["start_trial", "copy_prices", "put_on_sale", "sell_package", "end_terms", "cancel_terms"]

    visit(page, *map(reverse, names))
    visit(page, f"{reverse('change_price')}?item={item('SenseChat', 'input_tokens').pk}")


def test_a_key_is_made_by_hand_and_shown_once(admin, operator):
    page = admin(operator)
    page.goto(reverse("admin:accounts_servicekey_add"))
    page.fill("[name=name]", "gateway")
    page.get_by_label("report usage").check()
    page.get_by_label("all customers, and those that are added later").check()
    page.get_by_role("button", name="Save", exact=True).click()

    assert page.locator("#new-key").inner_text().startswith("sk_live_")
    assert all("sk_live_" not in cookie["value"] for cookie in page.context.cookies())


SMUGGLE = """
() => new Promise((resolve) => {
  document.addEventListener("securitypolicyviolation", resolve);
  const script = document.createElement("script");
  script.text = "window.ran = 1";
  document.body.append(script);
  if (window.ran) resolve();
}).then(() => window.ran)
"""


@pytest.mark.parametrize("path", ["/prices", "/admin/login/", "/api/docs"])
def test_an_inline_script_does_not_run_and_is_reported(page, path):
    """The control: a violation is seen."""
    page.goto(path)

    assert page.evaluate(SMUGGLE) is None
    assert any("script-src-elem refuses inline" in fault for fault in page.faults)
    page.faults.clear()


def test_an_error_on_the_console_and_a_request_to_another_host_are_seen(page):
    """The control likewise."""
    page.goto("/prices")
    page.evaluate("console.error('something is wrong')")
    with page.expect_event("requestfailed"):
        page.evaluate("location.href = 'http://localhost:1/elsewhere'")

    assert "something is wrong" in page.faults[0]
    assert "http://localhost:1/elsewhere is of another host" in page.faults
    page.faults.clear()
