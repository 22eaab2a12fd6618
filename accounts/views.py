"""Signing in and out, and where `/` leads."""

from posixpath import normpath
from urllib.parse import unquote, urlsplit

from django.contrib import admin
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import Resolver404, resolve, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts.forms import SignInForm
from accounts.sign_in.forms import CodeForm
from accounts.sign_in.second_factor import has_second_factor
from accounts.sign_in.steps import (
    SecondFactorDue,
    ask_for_code,
    check_code,
    finish_sign_in,
    note_sign_in,
    waiting_for_code,
)
from sensenova_billing.lib import clock

# Pages that lead on to others, or end the session: no destination after a sign-in.
_NO_DESTINATIONS = {"sign_in", "second_factor", "sign_out", "admin_sign_in", "admin:login", "admin:logout"}
_LONGEST_DESTINATION = 2000


class SignInView(LoginView):
    """Asks for e-mail and password, then for a code; who is signed in already goes on to the overview."""

    template_name = "sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def get_redirect_url(self, request: HttpRequest | None = None) -> str:
        """Return the requested page, if it is one of this site that a sign-in may lead to."""
        url = super().get_redirect_url()
        return url if _is_destination(url) else ""

    def form_valid(self, form: AuthenticationForm) -> HttpResponseBase:  # type: ignore[override]
        """Ask for the second factor where there is one; else sign the person in."""
        person = form.get_user()
        if has_second_factor(person):
            destination = self.get_success_url()
            return ask_for_code(self.request, person=person, destination=destination, now=clock.now())
        return finish_sign_in(self.request, redirect(self.get_success_url()), person=person, now=clock.now())


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def second_factor(request: HttpRequest) -> HttpResponseBase:
    """Ask for the code after the password, on whichever page that was entered; then sign the person in."""
    waiting = waiting_for_code(request, now=clock.now())
    if waiting is None:
        return redirect("sign_in")
    person, destination = waiting
    form = CodeForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        if check_code(request, person=person, code=form.cleaned_data["code"]):
            return finish_sign_in(request, redirect(destination), person=person, now=clock.now())
        form.add_error("code", gettext("Incorrect code."))
    return render(request, "second_factor_code.html", {"form": form, "person": person})


def admin_sign_in(request: HttpRequest) -> HttpResponseBase:
    """The admin's own page for it; it stands before that page in urls.py."""
    try:
        response: HttpResponseBase = admin.site.login(request)
    except SecondFactorDue as due:
        wanted = request.POST.get(REDIRECT_FIELD_NAME, "")
        is_safe = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, request.is_secure())
        destination = wanted if is_safe and _is_destination(wanted) else reverse("admin:index")
        return ask_for_code(request, person=due.person, destination=destination, now=clock.now())
    if request.method == "POST" and request.user.is_authenticated and response.status_code == 302:
        note_sign_in(request, response, person=request.user, now=clock.now())
    return response


def _is_destination(url: str) -> bool:
    # As browsers read it: a backslash is a slash, and dots and escapes are resolved.
    path = normpath(unquote(urlsplit(url.replace("\\", "/")).path))
    return len(url) <= _LONGEST_DESTINATION and _NO_DESTINATIONS.isdisjoint((_name(path), _name(f"{path}/")))


def _name(path: str) -> str:
    try:
        return resolve(path).view_name
    except Resolver404:
        return ""
