"""An address of Acme's for every route that is a customer's: its pages, files and actions."""

from typing import Any

from django.db import models

from accounts.models import Invitation, Member, MemberRole, ServiceKey, WebhookDelivery
from invoices.models import ChargeLine, EInvoiceRequest, OnlinePayment, PackageNotice
from pricing.models import PackageTerms, QuotaPackage
from tests.invoices.documents.builders import month_of
from tests.test_tenancy import ROUTES
from usage.models import Budget

PREFIXES = ("customers/", "bills/", "packages/")
CUSTOMER_ROUTES = {name: path for name, path in ROUTES.items() if path.startswith(PREFIXES)}
# What they do is for owners, as docs/roles.md says; settings, payments and the log of webhooks are for
# finance too.
OWNERS_ONLY = {
    *("make_customer_key", "rotate_customer_key", "revoke_customer_key"),
    *("invite_person", "resend_invitation", "withdraw_invitation", "change_member", "remove_from_customer"),
    *("choose_product", "buy_package", "refund_package", "set_renewal", "dismiss_notice"),
    *("add_webhook", "choose_webhook_events", "rotate_webhook_secret", "remove_webhook"),
    *("add_budget", "edit_budget", "remove_budget"),
    *("disable_webhook", "enable_webhook", "test_webhook", "resend_webhook"),
}
FINANCE_ONLY = {"customer_settings", "customer_webhooks", "customer_webhook", "webhook_delivery"}
FINANCE_ONLY |= {"pay_online", "request_einvoice", "withdraw_einvoice"}
# Of these, what is no page but takes a form.
FINANCE_FORMS = {"withdraw_einvoice"}


def customer_addresses() -> dict[str, str]:
    """Return an address for each, by its name; Acme has all that they need."""
    delivery = WebhookDelivery.objects.filter(endpoint__customer__code="acme").earliest("pk")
    hook = f"webhooks/{delivery.endpoint_id}"
    line = ChargeLine.objects.filter(bill__customer__code="acme").select_related("bill").earliest("pk")
    found = {
        "customers/<str:code>": "customers/acme",
        "bills/<str:month>": f"bills/{month_of(line.bill.hour_id)}",
        "bills/<str:number>/lines/<int:pk>": f"bills/{line.bill.number}/lines/{line.pk}",
        "bills/<str:number>": f"bills/{line.bill.number}",
        "packages/<str:number>": f"packages/{_of_acme(QuotaPackage).number}",
        "buy/<int:pk>": f"buy/{PackageTerms.objects.earliest('pk').pk}",
        "notices/<int:pk>": f"notices/{PackageNotice.objects.earliest('pk').pk}",
        "keys/<str:public_id>": f"keys/{_of_acme(ServiceKey).public_id}",
        "webhooks/<int:pk>/deliveries/<int:delivery>": f"{hook}/deliveries/{delivery.pk}",
        "webhooks/<int:pk>": hook,
        "payments/<uuid:order_id>": f"payments/{_of_acme(OnlinePayment).order_id}",
        "einvoices/<int:pk>": f"einvoices/{_of_acme(EInvoiceRequest, state='requested').pk}",
        "budgets/<int:pk>": f"budgets/{_of_acme(Budget).pk}",
        "people/<int:pk>": f"people/{_of_acme(Member, role=MemberRole.OWNER).pk}",
        "invitations/<int:pk>": f"invitations/{_of_acme(Invitation).pk}",
    }
    return {name: f"/{_filled(path, found)}" for name, path in CUSTOMER_ROUTES.items()}


def _of_acme(model: type[models.Model], **chosen: Any) -> Any:
    return model._default_manager.filter(customer__code="acme", **chosen).earliest("pk")


def _filled(path: str, found: dict[str, str]) -> str:
    for pattern, part in found.items():
        path = path.replace(pattern, part)
    assert "<" not in path, f"{path} has an argument that is not known here"
    return path
