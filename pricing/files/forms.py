"""The two steps of an import in the admin: the file, then the reason."""

from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminTextareaWidget

from accounts.audit.context import LONGEST_REASON
from pricing.changes.rows import cells_of, row_of
from pricing.files.formats import MAX_BYTES, BadFile, Reading, Stated, read_rows
from pricing.stored_words import stored_in_words
from sensenova_billing.lib.previews import read_preview, sign_preview

_SALT = "pricing.sheet_forms"  # of forms that are open in browsers


class UploadForm(forms.Form):
    """A catalogue file."""

    file = forms.FileField(
        label=_("CSV or XLSX file"),
        max_length=200,
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,.xlsx"}),
        help_text=_("At most 5 MB. A preview is shown first; nothing is changed yet."),
        error_messages={"empty": _("The file is empty.")},
    )
    reading: Reading

    def clean_file(self) -> Any:
        """Refuse what cannot be read as a catalogue at all."""
        file = self.cleaned_data["file"]
        try:
            self.reading = read_rows(data=file.read(MAX_BYTES + 1), name=file.name)
        except BadFile as error:
            text = gettext("%(problem)s Nothing was changed.") % {"problem": stored_in_words(str(error))}
            raise forms.ValidationError(text) from error
        return file


class ConfirmForm(forms.Form):
    """The reason for an import."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=LONGEST_REASON,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=_("Saved permanently in the audit trail."),
        error_messages={"required": _("Give a reason: later readers of the audit trail have only this.")},
    )


def sealed(*, name: str, reading: Reading, seen: str, person: str) -> str:
    """Return what was read and seen as a text that only this person can send back, and for a day."""
    rows = [[one.line, one.row.sheet, cells_of(one.row)] for one in reading.stated]
    return sign_preview({"name": name, "rows": rows, "seen": seen}, salt=_SALT, person=person)


def opened(text: str, *, person: str) -> tuple[str, Reading, str]:
    """Return the file's name, what was read of it and the digest of what was seen; or raise BadSignature."""
    held = read_preview(text, salt=_SALT, person=person)
    stated = [Stated(line, row_of(sheet, cells)) for line, sheet, cells in held["rows"]]
    return held["name"], Reading(stated), held["seen"]
