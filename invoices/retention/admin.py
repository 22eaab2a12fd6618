"""Archives of usage records in the admin: what left the database, for which file, and whether it is back."""

from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from invoices.drilldown.trace.archived import is_file_there
from invoices.models import HourSeal
from invoices.templatetags.amounts import grouped, instant_text
from sensenova_billing.lib.admin.base import ModelAdmin
from sensenova_billing.lib.admin.decorators import display
from sensenova_billing.lib.admin.labels import Label
from sensenova_billing.lib.admin.lists import RobustUrlAdmin
from sensenova_billing.lib.admin.read_only import ReadOnlyAdmin
from usage.models import HOUR, UsageArchive

ARCHIVED, RESTORED = gettext_noop("archived"), gettext_noop("restored")
SAME, DIFFERENT = gettext_noop("as archived"), gettext_noop("DIFFERENT: verify the books")
HERE, MISSING = gettext_noop("here"), gettext_noop("not on this machine")
UNNEEDED = gettext_noop("no longer needed")


class UsageArchiveAdmin(RobustUrlAdmin, ReadOnlyAdmin, ModelAdmin):
    """Every archive, of the newest hours first."""

    appears_here = _("Archives appear here, once records of old months have left the database.")
    list_display = (
        *("span", "state", "records_text", "size_text", "file_text", "file_state", "seal_state"),
        *("archived_text", "restored_text"),
    )
    sortable_by = ("span", "records_text", "size_text", "archived_text")
    list_per_page = 50
    fields = (*list_display, "restore", "sha256_text", "seal_text")

    def get_queryset(self, request: HttpRequest) -> QuerySet[UsageArchive]:
        """With the seal of the last hour as the books have it now."""
        seals = HourSeal.objects.filter(hour_id=OuterRef("until_hour") - HOUR)
        archives: QuerySet[UsageArchive] = super().get_queryset(request)
        return archives.annotate(seal_now=Subquery(seals.values("sha256")))

    @display(description=_("hours of (UTC)"), ordering="from_hour")
    def span(self, archive: UsageArchive) -> str:
        """From and until."""
        return f"{archive.from_hour:%Y-%m-%d %H:%M} - {archive.until_hour:%Y-%m-%d %H:%M}"

    @display(description=_("state"), label={ARCHIVED: "info", RESTORED: "success"})
    def state(self, archive: UsageArchive) -> Label:
        """Where its records are."""
        state = RESTORED if archive.restored_at else ARCHIVED
        return Label(state, gettext(state))

    @display(description=_("records"), ordering="records")
    def records_text(self, archive: UsageArchive) -> str:
        """In thousands."""
        return grouped(archive.records)

    @display(description=_("bytes"), ordering="size")
    def size_text(self, archive: UsageArchive) -> str:
        """In thousands."""
        return grouped(archive.size)

    @display(description=_("file"))
    def file_text(self, archive: UsageArchive) -> str:
        """Its name, with a path where it is not in the folder of archives."""
        return archive.file

    @display(description=_("where the file is"), label={HERE: "success", MISSING: "danger", UNNEEDED: "info"})
    def file_state(self, archive: UsageArchive) -> Label:
        """Whether this machine has it; its content is verified with the books."""
        if archive.restored_at:
            return Label(UNNEEDED, gettext(UNNEEDED))
        state = HERE if is_file_there(archive) else MISSING
        return Label(state, gettext(state))

    @display(description=_("seal"), label={SAME: "success", DIFFERENT: "danger"})
    def seal_state(self, archive: Any) -> Label:
        """Whether the books still have the seal with which the hours were archived."""
        state = SAME if bytes(archive.seal_now or b"") == bytes(archive.seal) else DIFFERENT
        return Label(state, gettext(state))

    @display(description=_("archived (UTC)"), ordering="archived_at")
    def archived_text(self, archive: UsageArchive) -> str:
        """To the second."""
        return instant_text(archive.archived_at)

    @display(description=_("restored (UTC)"))
    def restored_text(self, archive: UsageArchive) -> str:
        """Empty if it was not."""
        return instant_text(archive.restored_at) if archive.restored_at else ""

    @display(description=_("to restore it"))
    def restore(self, archive: UsageArchive) -> SafeString | str:
        """The command; nothing once it was restored."""
        if archive.restored_at:
            return ""
        return format_html("<code>manage.py restore_usage {}</code>", archive.file)

    @display(description=_("SHA-256 of the file"))
    def sha256_text(self, archive: UsageArchive) -> SafeString:
        """In hexadecimal digits."""
        return format_html("<code>{}</code>", bytes(archive.sha256).hex())

    @display(description=_("seal of the last hour (SHA-256)"))
    def seal_text(self, archive: UsageArchive) -> SafeString:
        """In hexadecimal digits."""
        return format_html("<code>{}</code>", bytes(archive.seal).hex())
