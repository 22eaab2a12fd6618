"""What forms that make a key share: each page makes one key, however often it is sent."""

from typing import Any

from django import forms
from django.db import IntegrityError
from django.utils.translation import gettext_lazy as _

from accounts.api_keys.keys import new_public_id
from accounts.models import ServiceKey

PUBLIC_ID_FORM = r"^[a-z0-9]{8,16}\Z"
ALREADY_MADE = _(
    "This page made the key sk_live_{} before. Its text was shown then and cannot be shown again: if it is "
    "lost, revoke that key. For another key, reload this page."
)
SUBMITTED_TWICE = _("The page was submitted twice at the same time: one key was made, not two.")


def new_id_field() -> forms.RegexField:
    """Return the hidden field that gives each page its own new key: sent again, it makes no second one."""
    return forms.RegexField(
        PUBLIC_ID_FORM,
        label=_("New id"),
        required=False,
        initial=new_public_id,
        widget=forms.HiddenInput,
        strip=False,
    )


def refuse_if_used(form: forms.BaseForm) -> None:
    """Add an error to a form that made a key before."""
    public_id = form.cleaned_data.get("new_id")
    if public_id and ServiceKey.objects.filter(public_id=public_id).exists():
        form.add_error(None, str(ALREADY_MADE).format(public_id))


def made_at_the_same_time(error: IntegrityError) -> bool:
    """Whether the same page, submitted twice at the same time, has made the key already."""
    return "a_service_key_has_its_own_public_id" in str(error)


class NewKeyForm(forms.Form):
    """A form that makes a key, once."""

    new_id = new_id_field()

    def clean(self) -> dict[str, Any]:
        """Refuse a form that made a key before."""
        cleaned = super().clean() or {}
        refuse_if_used(self)
        return cleaned
