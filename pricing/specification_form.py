"""The form of a call specification in the admin."""

from typing import Any

from accounts.signed_admin import ReasonedForm


class SpecificationForm(ReasonedForm):
    """Asks why, and for an end after the beginning."""

    def clean(self) -> dict[str, Any]:
        """Refuse such an end here: asked about overlaps, the database would fail, because it is no period."""
        said = super().clean() or self.cleaned_data
        begins_at, ends_at = said.get("begins_at"), said.get("ends_at")
        if begins_at and ends_at and ends_at <= begins_at:
            self.add_error("ends_at", "A call specification must end after it begins.")
        return said
