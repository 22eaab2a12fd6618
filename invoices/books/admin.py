"""Results of verifying the books in the admin: what was verified, when, and what was found."""

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from invoices.books.words import finding_in_words
from invoices.models import Verification
from invoices.templatetags.amounts import grouped, instant_text
from sensenova_billing.lib.admin.base import ModelAdmin
from sensenova_billing.lib.admin.decorators import display
from sensenova_billing.lib.admin.labels import Label
from sensenova_billing.lib.admin.lists import RobustUrlAdmin
from sensenova_billing.lib.admin.read_only import ReadOnlyAdmin

IN_ORDER, FOUND = gettext_noop("in order"), gettext_noop("findings")


class VerificationAdmin(RobustUrlAdmin, ReadOnlyAdmin, ModelAdmin):
    """Every result that was stored, the newest first."""

    list_display = ("verified_text", "span", "state", "findings_text", "hours", "records_text", "took_text")
    list_per_page = 50
    fields = (
        "verified_text", "span", "state", "findings_text", "first_found", "hours", "records_text",
        "bills_text", "lines_text", "took_text", "seal_text",
    )  # fmt: skip

    @display(description=_("verified (UTC)"), ordering="verified_at")
    def verified_text(self, verification: Verification) -> str:
        """To the second."""
        return instant_text(verification.verified_at)

    @display(description=_("hours of (UTC)"), ordering="from_hour")
    def span(self, verification: Verification) -> str:
        """From and until."""
        return str(verification)

    @display(description=_("state"), label={IN_ORDER: "success", FOUND: "danger"})
    def state(self, verification: Verification) -> Label:
        """In order or not."""
        state = FOUND if verification.findings else IN_ORDER
        return Label(state, gettext(state))

    @display(description=_("findings"), ordering="findings")
    def findings_text(self, verification: Verification) -> str:
        """How many."""
        return grouped(verification.findings)

    @display(description=_("first findings"))
    def first_found(self, verification: Verification) -> SafeString | str:
        """As `manage.py verify_books` words them, in the language of the page."""
        if not verification.findings:
            return gettext("None.")
        items = format_html_join(
            "", "<li>{}</li>", ([finding_in_words(one)] for one in verification.first_findings)
        )
        return format_html("<ul>{}</ul>", items)

    @display(description=_("records"), ordering="records")
    def records_text(self, verification: Verification) -> str:
        """In thousands."""
        return grouped(verification.records)

    @display(description=_("bills"))
    def bills_text(self, verification: Verification) -> str:
        """In thousands."""
        return grouped(verification.bills)

    @display(description=_("charge lines"))
    def lines_text(self, verification: Verification) -> str:
        """In thousands."""
        return grouped(verification.lines)

    @display(description=_("took"), ordering="took")
    def took_text(self, verification: Verification) -> str:
        """In seconds."""
        return gettext("%(seconds)s s") % {"seconds": f"{verification.took.total_seconds():,.1f}"}

    @display(description=_("seal of the last hour (SHA-256)"))
    def seal_text(self, verification: Verification) -> str:
        """As it was read then."""
        return format_html("<code>{}</code>", bytes(verification.seal).hex()) if verification.seal else ""
