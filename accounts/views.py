"""Signing in and out, and where `/` leads."""

from posixpath import normpath
from urllib.parse import unquote, urlsplit

from django.contrib import admin
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve

from accounts.forms import SignInForm
from accounts.sign_in.known_devices import remember_device

# Pages that lead on to others, or end the session: no destination after a sign-in.
_NO_DESTINATIONS = {"sign_in", "sign_out", "admin_sign_in", "admin:login", "admin:logout"}
_LONGEST_DESTINATION = 2000


class SignInView(LoginView):
    """Asks for e-mail and password; a person who is signed in already goes on to the overview."""

    template_name = "sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def get_redirect_url(self, request: HttpRequest | None = None) -> str:
        """Return the requested page, if it is one of this site that a sign-in may lead to."""
        url = super().get_redirect_url()
        return url if _is_destination(url) else ""

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """Sign the person in, and know this browser from now on."""
        response = super().form_valid(form)
        remember_device(self.request, response, email=form.get_user().get_username())
        return response


def admin_sign_in(request: HttpRequest) -> HttpResponse:
    """The admin's own page for it; it stands before that page in urls.py."""
    response: HttpResponse = admin.site.login(request)
    if request.method == "POST" and request.user.is_authenticated and response.status_code == 302:
        remember_device(request, response, email=request.user.get_username())
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
