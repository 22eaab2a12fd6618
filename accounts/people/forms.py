"""Forms of a customer's people, and of accepting an invitation."""

from typing import Any

from django import forms
from django.contrib.auth.forms import SetPasswordMixin
from django.utils.translation import gettext_lazy as _

from accounts.models import MemberRole, User
from sensenova_billing.lib.names import validate_name

ROLES = [(role.value, role.label) for role in MemberRole]


class InviteForm(forms.Form):
    """Who is invited, as what."""

    email = forms.EmailField(
        label=_("E-mail"),
        max_length=254,
        validators=[validate_name],
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )
    role = forms.ChoiceField(
        label=_("Role"), choices=ROLES, initial=MemberRole.VIEWER, widget=forms.RadioSelect
    )


class RoleForm(forms.Form):
    """What a member may do."""

    role = forms.ChoiceField(label=_("Role"), choices=ROLES, widget=forms.RadioSelect)


class NewAccountForm(SetPasswordMixin, forms.Form):  # type: ignore[type-arg]
    """Name and password of a person who accepts an invitation and has no account yet."""

    name = forms.CharField(
        label=_("Your name"),
        max_length=100,
        required=False,
        validators=[validate_name],
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    password1, password2 = SetPasswordMixin.create_password_fields(
        label1=_("Password"), label2=_("Password again")
    )

    def __init__(self, data: Any = None, *, email: str) -> None:
        super().__init__(data)
        self._email = email

    def clean(self) -> dict[str, Any]:
        """Refuse two passwords that differ, and one that is too weak for this person."""
        self.validate_passwords()
        person = User(email=self._email, name=self.cleaned_data.get("name", ""))
        self.validate_password_for_user(person)
        return super().clean() or self.cleaned_data
