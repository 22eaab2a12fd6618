"""Pages of a person's sign-in: the password, a new one by mail, the second factor and
the sessions.
"""

from typing import cast

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts.models import User
from accounts.sign_in.forms import (
    ChangePasswordForm,
    CodeForm,
    ForgottenForm,
    NewPasswordForm,
    PasswordForm,
)
from accounts.sign_in.limits import counted_address
from accounts.sign_in.mail import is_mail_set_up
from accounts.sign_in.passwords import set_password
from accounts.sign_in.resets import ask_for_reset, person_of_link
from accounts.sign_in.second_factor import (
    begin,
    begun,
    codes_left,
    confirm,
    has_second_factor,
    qr_code,
    remove_second_factor,
    renew_codes,
    typed_key,
)
from accounts.sign_in.sessions import end_other_sessions, end_session, sessions_of
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
        set_password(
            person=person,
            password=form.cleaned_data["password1"],
            by=person.email,
            here=request.session.session_key,
        )
        update_session_auth_hash(request, person)
        messages.success(request, gettext("Your password is changed. Other sessions are ended."))
        return redirect("account")
    return render(request, "change_password.html", {"form": form}, status=400 if form.errors else 200)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def forgot_password(request: HttpRequest) -> HttpResponse:
    """Ask for an address, and answer the same whether or not there is a person with it."""
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


@never_cache
@sensitive_post_parameters()
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def second_factor_settings(request: HttpRequest) -> HttpResponse:
    """Whether sign-in requires a code; with the password, the action of the pressed button."""
    person = cast(User, request.user)
    form = PasswordForm(request.POST if request.method == "POST" else None, request=request, person=person)
    if form.is_valid():
        match request.POST.get("action"):
            case "begin":
                begin(person)
                return redirect("confirm_second_factor")
            case "codes" if has_second_factor(person):
                return render(request, "recovery_codes.html", {"codes": renew_codes(person)})
            case "remove":
                remove_second_factor(person, by=person.email)
                messages.success(request, gettext("No code is required any more."))
                return redirect("second_factor_settings")
    context = {"form": form, "is_on": has_second_factor(person), "codes_left": codes_left(person)}
    return render(request, "second_factor.html", context, status=400 if form.errors else 200)


@never_cache
@sensitive_post_parameters()
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def confirm_second_factor(request: HttpRequest) -> HttpResponse:
    """Show the key to the authenticator app; with its first code, switch the second factor on."""
    person = cast(User, request.user)
    device = begun(person)
    if device is None:
        return redirect("second_factor_settings")
    form = CodeForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        codes = confirm(person, form.cleaned_data["code"])
        if codes:
            end_other_sessions(person=person, here=request.session.session_key)
            return render(request, "recovery_codes.html", {"codes": codes, "is_new": True})
        form.add_error("code", gettext("Incorrect code. Check the clock of the device."))
    context = {"form": form, "qr": qr_code(device), "key": typed_key(device)}
    return render(request, "confirm_second_factor.html", context, status=400 if form.errors else 200)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def sessions(request: HttpRequest) -> HttpResponse:
    """Where a person is signed in; end one of these sessions, or all others."""
    person = cast(User, request.user)
    here = request.session.session_key
    if request.method == "POST":
        if "session" in request.POST:
            ended = end_session(person=person, here=here, handle=request.POST["session"])
        else:
            ended = end_other_sessions(person=person, here=here)
        messages.success(
            request,
            ngettext("%(ended)s session is ended.", "%(ended)s sessions are ended.", ended)
            % {"ended": ended},
        )
        return redirect("sessions")
    context = {"sessions": sessions_of(person=person, here=here, now=clock.now())}
    return render(request, "sessions.html", context)
