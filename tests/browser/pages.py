"""The pages of customers, and the main pages of the admin."""

from django.urls import reverse

from accounts.models import Customer, ServiceKey, User
from invoices.models import HourlyBill
from pricing.models import PackageTerms, Price, QuotaPackage
from tests.builders import item
from tests.translations.test_pages import VISITS
from usage.models import BillingHour

# Parts of the overview, which have no look of their own.
FRAGMENTS = {"customer_overview_now", "customer_overview_alerts"}
PAGES = [name for name in VISITS if name not in FRAGMENTS]
ADMIN_LISTS = (
    *("accounts_customer", "accounts_user", "accounts_servicekey", "accounts_auditentry"),
    *("pricing_servicegroup", "pricing_service", "pricing_servicealias", "pricing_billingitem"),
    *("pricing_price", "pricing_proposal", "pricing_callspecification", "pricing_packageterms"),
    *("pricing_quotapackage", "invoices_packagecredit", "invoices_parkedhour", "invoices_hourlybill"),
    *("invoices_rerating", "invoices_verification", "invoices_quotaoverrun", "usage_billinghour"),
    *("usage_refusedusage", "usage_quarantinedusage", "usage_usagearchive"),
)
ADMIN_PAGES = (
    *("admin:index", "usage_record", "refused_calls", "own_password", "catalogue_import", "announce_offer"),
    *("start_trial", "copy_prices", "put_on_sale", "sell_package", "end_terms", "cancel_terms"),
    *("admin:accounts_customer_add", "admin:accounts_user_add", "admin:accounts_servicekey_add"),
    *("admin:pricing_callspecification_add", "admin:invoices_rerating_add"),
)


def admin_addresses() -> dict[str, str]:
    """Return the main pages of the admin by name."""
    shown = {
        "accounts_customer": Customer.objects.earliest("pk"),
        "accounts_user": User.objects.earliest("pk"),
        "accounts_servicekey": ServiceKey.objects.first(),
        "pricing_price": Price.objects.earliest("pk"),
        "pricing_packageterms": PackageTerms.objects.first(),
        "pricing_quotapackage": QuotaPackage.objects.first(),
        "invoices_hourlybill": HourlyBill.objects.first(),
        "usage_billinghour": BillingHour.objects.first(),
    }
    return (
        {name.removeprefix("admin:"): reverse(name) for name in ADMIN_PAGES}
        | {f"{model}s": reverse(f"admin:{model}_changelist") for model in ADMIN_LISTS}
        | {
            model: reverse(f"admin:{model}_change", args=[one.pk])
            for model, one in shown.items()
            if one is not None
        }
        | {"change_price": f"{reverse('change_price')}?item={item('SenseChat', 'input_tokens').pk}"}
    )
