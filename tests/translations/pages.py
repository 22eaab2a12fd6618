"""What may stand in Latin letters on a Chinese page, and what is left over as English."""

import re
from collections.abc import Iterator
from functools import cache

from accounts.models import (
    AuditEntry,
    Customer,
    EventKind,
    Invitation,
    ServiceKey,
    User,
    WebhookEndpoint,
    WebhookEvent,
)
from invoices.models import (
    AccountTransaction,
    Adjustment,
    BankImport,
    CallbackReview,
    EInvoiceRequest,
    OnlinePayment,
    PaymentCallback,
    PaymentDispute,
    Release,
    Rerating,
    Statement,
)
from invoices.reconciliation.usage_file import OTHER_COLUMNS
from pricing.models import PackageProduct, Proposal, Service, ServiceAlias, ServiceGroup
from pricing.rules.measures import Measure
from sensenova_billing.lib.countries import COUNTRIES
from tests.translations.reading import WORD, texts_of
from usage.models import Budget, QuarantinedUsage, UsageArchive, UsageRecord

# Names that Chinese pages use as they are.
NAMES = {
    *(
        "SenseNova",
        "Billing",
        "Token",
        "Tokens",
        "RPM",
        "TPM",
        "API",
        "CSV",
        "XLSX",
        "PDF",
        "HTTP",
        "ID",
        "id",
        "SSML",
        "SHA",
        "UTC",
    ),
    # The theme names languages by their codes, and keys of a keyboard.
    *("en", "zh", "hans", "esc", "Control", "Mac", "Command", "Redis"),
    *("Asia", "Shanghai", "Europe", "Berlin", "speak", "English", "Excel", "MB", "UTF", "TOTP", "xlsx"),
    *("Webhook", "Standard", "Webhooks", "FOCUS", "GB", "GBK", "Windows", "Latin", "CNY"),
    *("ISO", "UBL", "SELLER_TAX_ID", *COUNTRIES),
}
UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
URL = re.compile(r"https?://[^\s（）]+")
NUMBERS = re.compile(r"\bP?\d{8}(?:T\d\dZ)?-[a-z]+(?:-\d+)?\b")


def is_a_name(text: str) -> bool:
    """Whether a text is nothing but names that stay as they are."""
    return set(WORD.findall(text)) <= NAMES


def english_on(page: str, names: frozenset[str] = frozenset()) -> list[str]:
    """Return the texts of a page that hold an English word, without names and numbers of documents.

    Tests of many pages pass the stored names, which are read again only for the texts that are left.
    """
    texts = [text for text in texts_of(page) if not is_a_name(text)]
    texts = [text for text in texts if not is_a_name(_without(text, names))] if names else texts
    names = stored_names() if texts else names
    return [text for text in texts if not is_a_name(_without(text, names))]


@cache
def _without(text: str, names: frozenset[str]) -> str:
    """Much of a page stands on each."""
    text = _any_of(names).sub("", URL.sub("", text))
    return NUMBERS.sub("", UUID.sub("", text))


@cache
def _any_of(names: frozenset[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, sorted(names, key=len, reverse=True))), re.IGNORECASE)


def _ids_of_keys() -> Iterator[str]:
    for key in ServiceKey.objects.all():
        yield from (key.prefix, key.public_id)


def stored_names() -> frozenset[str]:
    """Return what people and senders have named or written, in whatever language they did."""
    columns = (
        ServiceGroup.objects.values_list("family", "name", "description"),
        Service.objects.values_list("name"),
        PackageProduct.objects.values_list("name"),
        Customer.objects.values_list("name", "code"),
        User.objects.values_list("email"),
        Invitation.objects.values_list("email"),
        WebhookEndpoint.objects.values_list("url"),
        UsageRecord.objects.values_list("event_id", "metadata__reason"),
        UsageArchive.objects.values_list("file"),
        Rerating.objects.values_list("reason"),
        AccountTransaction.objects.values_list("reference", "reason", "by"),
        Adjustment.objects.values_list("reason", "proposed_by", "decided_by"),
        BankImport.objects.values_list("file_name", "file_digest", "by"),
        EInvoiceRequest.objects.values_list("buyer_name", "buyer_tax_id", "refusal", "red_reason", "remarks"),
        EInvoiceRequest.objects.values_list("requested_by", "decided_by", "reversed_by"),
        OnlinePayment.objects.values_list("provider", "provider_id", "reference"),
        PaymentCallback.objects.values_list("event_id", "provider"),
        CallbackReview.objects.values_list("text", "by"),
        PaymentDispute.objects.values_list("dispute_id", "reason"),
        Statement.objects.values_list("reason", "issued_by"),
        Release.objects.values_list("reason"),
        AuditEntry.objects.values_list("reason", "by").distinct(),
        Proposal.objects.values_list("reason"),
        QuarantinedUsage.objects.values_list("event_id", "customer_code", "service_name"),
        ServiceAlias.objects.values_list("alias"),
        Budget.objects.values_list("metadata_name", "metadata_value"),
        ServiceKey.objects.values_list("name"),
    )
    # Names of columns stand in what people type and in files; the last are a command and an example.
    others = {*Measure, *OTHER_COLUMNS, "reconcile", "chat-gateway-1", *_ids_of_keys()}
    others |= {str(one) for one in OnlinePayment.objects.values_list("order_id", flat=True)}
    others |= {one.number for one in EInvoiceRequest.objects.all()}
    others |= {*EventKind.values, *(event.public_id for event in WebhookEvent.objects.all())}
    return frozenset(others | {name for rows in columns for row in rows for name in row if name})
