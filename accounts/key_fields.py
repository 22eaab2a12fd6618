"""Form fields that choose rows by key: what is sent may be no key at all, and the form is shown again."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models


class RowField(forms.ModelChoiceField):  # type: ignore[type-arg]
    """One row."""

    def prepare_value(self, value: Any) -> Any:
        """Return the chosen key, or None for what is none: Django would look it up to show it."""
        key = super().prepare_value(value)
        return key if _is_key(key, of=self.queryset) else None


class RowsField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]
    """Some rows."""

    def prepare_value(self, value: Any) -> Any:
        """Return the chosen keys without what is none."""
        keys = super().prepare_value(value)
        return [key for key in keys if _is_key(key, of=self.queryset)] if isinstance(keys, list) else keys


def _is_key(value: Any, *, of: Any) -> bool:
    column = of.model._meta.pk
    try:
        column.run_validators(column.to_python(value))
    except ValidationError:
        return False
    return True


# For a ModelAdmin.
KEY_FIELDS: dict[type, dict[str, Any]] = {
    models.ForeignKey: {"form_class": RowField},
    models.ManyToManyField: {"form_class": RowsField},
}
