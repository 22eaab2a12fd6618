"""Pages of a person's password: changing it, and a new one by mail."""

from typing import cast

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts.models import User
from accounts.sign_in.forms import ChangePasswordForm, ForgottenForm, NewPasswordForm
from accounts.sign_in.limits import counted_address
from accounts.sign_in.mail import is_mail_set_up
from accounts.sign_in.passwords import set_password
from accounts.sign_in.resets import ask_for_reset, person_of_link
from sensenova_billing.lib import clock


@never_cache
@sensitive_post_parameters()
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def change_password(request: HttpRequest) -> HttpResponse:
    """Ask for the present password and a new one; this session goes on, the others end."""
    person = cast(User, request.user)
    form = ChangePasswordForm(
        request.POST if request.method == "POST" else None, request=request, person=person
    )
    if form.is_valid():
        set_password(person=person, password=form.cleaned_data["password1"], by=person.email)
        update_session_auth_hash(request, person)
        messages.success(request, gettext("Your password is changed. Other sessions are ended."))
        return redirect("account")
    return render(request, "change_password.html", {"form": form}, status=400 if form.errors else 200)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def forgot_password(request: HttpRequest) -> HttpResponse:
    """Ask for an address, and answer the same whether or not anybody has it."""
    form = ForgottenForm(request.POST if request.method == "POST" else None)
    is_possible = is_mail_set_up()
    is_asked = is_possible and form.is_valid()
    if is_asked:
        ask_for_reset(email=form.cleaned_data["email"], address=counted_address(request), now=clock.now())
    context = {"form": form, "is_possible": is_possible, "is_asked": is_asked}
    return render(request, "forgot_password.html", context, status=400 if form.errors else 200)


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def reset_password(request: HttpRequest, uid: str, token: str) -> HttpResponse:
    """Set a new password by a link that was mailed; then the person signs in with it."""
    person = person_of_link(uid=uid, token=token)
    if person is None:
        return render(request, "reset_void.html", status=404)
    form = NewPasswordForm(request.POST if request.method == "POST" else None, person=person)
    if form.is_valid():
        set_password(
            person=person,
            password=form.cleaned_data["password1"],
            by=person.email,
            reason="By a link that was mailed.",
        )
        messages.success(request, gettext("Your password is changed. Sign in with it."))
        return redirect("sign_in")
    return render(request, "reset_password.html", {"form": form, "person": person})
