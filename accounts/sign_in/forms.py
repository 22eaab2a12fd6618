"""Forms of a person's password."""

from typing import Any

from django import forms
from django.contrib.auth.forms import SetPasswordMixin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import User
from accounts.sign_in.passwords import is_right_password


class ForgottenForm(forms.Form):
    """To whom a link is mailed."""

    email = forms.EmailField(
        label=_("E-mail"), max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "username"})
    )


class NewPasswordForm(SetPasswordMixin, forms.Form):  # type: ignore[type-arg]
    """A new password, twice."""

    password1, password2 = SetPasswordMixin.create_password_fields(
        label1=_("New password"), label2=_("New password again")
    )

    def __init__(self, data: Any = None, *, person: User) -> None:
        super().__init__(data)
        self._person = person

    def clean(self) -> dict[str, Any]:
        """Refuse two passwords that differ, and one that is too weak for this person."""
        self.validate_passwords()
        self.validate_password_for_user(self._person)
        return super().clean() or self.cleaned_data


class PasswordForm(forms.Form):
    """A person's own password, before something that a stolen session must not do."""

    password = forms.CharField(
        label=_("Your password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, data: Any = None, *, request: HttpRequest, person: User) -> None:
        super().__init__(data)
        self._request, self._person = request, person

    def clean_password(self) -> str:
        """Refuse a wrong one; it counts as at sign-in."""
        password: str = self.cleaned_data["password"]
        if not is_right_password(self._request, person=self._person, password=password):
            raise forms.ValidationError(_("Incorrect password."))
        return password


class ChangePasswordForm(PasswordForm, NewPasswordForm):
    """The present password, and a new one."""

    field_order = ("password", "password1", "password2")

    def __init__(self, data: Any = None, *, request: HttpRequest, person: User) -> None:
        NewPasswordForm.__init__(self, data, person=person)
        self._request = request


class CodeForm(forms.Form):
    """A code of the authenticator app, or a recovery code."""

    code = forms.CharField(
        label=pgettext_lazy("of an authenticator app", "Code"),
        max_length=30,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "autofocus": True}),
    )
