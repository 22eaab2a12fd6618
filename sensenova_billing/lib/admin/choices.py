"""Choices of fields in the language of the page; their labels are English, for they are compared."""

from collections.abc import Iterable
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext

from sensenova_billing.lib.admin.base import AdminMixin


def translated(choices: Iterable[tuple[Any, Any]]) -> list[tuple[Any, str]]:
    """Return the choices with the labels that pages show."""
    return [(value, gettext(str(label)) if str(label) else "") for value, label in choices]


class TranslatedChoices(AdminMixin):
    """Mixin of a ModelAdmin or an inline: its forms offer choices in the language of the page."""

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer the choices in the words of the page."""
        field: Any = super().formfield_for_choice_field(db_field, request, **kwargs)
        field.choices = translated(field.choices)
        return field
