"""Results of verifying the books in the admin: what was verified, when, and what was found."""

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from invoices.books.compare import finding_text
from invoices.models import Verification
from invoices.templatetags.amounts import grouped, instant_text
from sensenova_billing.lib.admin.base import ModelAdmin
from sensenova_billing.lib.admin.decorators import display
from sensenova_billing.lib.admin.lists import RobustUrlAdmin
from sensenova_billing.lib.admin.read_only import ReadOnlyAdmin

IN_ORDER, FOUND = "in order", "findings"


class VerificationAdmin(RobustUrlAdmin, ReadOnlyAdmin, ModelAdmin):
    """Every result that was stored, the newest first."""

    list_display = ("verified_text", "span", "state", "findings_text", "hours", "records_text", "took_text")
    list_per_page = 50
    fields = (
        "verified_text", "span", "state", "findings_text", "first_found", "hours", "records_text",
        "bills_text", "lines_text", "took_text", "seal_text",
    )  # fmt: skip

    @display(description="verified (UTC)", ordering="verified_at")
    def verified_text(self, verification: Verification) -> str:
        """To the second."""
        return instant_text(verification.verified_at)

    @display(description="hours of (UTC)", ordering="from_hour")
    def span(self, verification: Verification) -> str:
        """From and until."""
        return str(verification)

    @display(description="state", label={IN_ORDER: "success", FOUND: "danger"})
    def state(self, verification: Verification) -> str:
        """In order or not."""
        return FOUND if verification.findings else IN_ORDER

    @display(description="findings", ordering="findings")
    def findings_text(self, verification: Verification) -> str:
        """How many."""
        return grouped(verification.findings)

    @display(description="first findings")
    def first_found(self, verification: Verification) -> SafeString | str:
        """In the words of `manage.py verify_books`."""
        if not verification.findings:
            return "None."
        items = format_html_join(
            "", "<li>{}</li>", ([finding_text(one)] for one in verification.first_findings)
        )
        return format_html("<ul>{}</ul>", items)

    @display(description="records", ordering="records")
    def records_text(self, verification: Verification) -> str:
        """In thousands."""
        return grouped(verification.records)

    @display(description="bills")
    def bills_text(self, verification: Verification) -> str:
        """In thousands."""
        return grouped(verification.bills)

    @display(description="charge lines")
    def lines_text(self, verification: Verification) -> str:
        """In thousands."""
        return grouped(verification.lines)

    @display(description="took", ordering="took")
    def took_text(self, verification: Verification) -> str:
        """In seconds."""
        return f"{verification.took.total_seconds():,.1f} s"

    @display(description="seal of the last hour (SHA-256)")
    def seal_text(self, verification: Verification) -> str:
        """As it was read then."""
        return "" if verification.seal is None else bytes(verification.seal).hex()
