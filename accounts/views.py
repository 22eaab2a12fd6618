"""Signing in and out, and where `/` leads."""

from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_safe

from accounts.forms import SignInForm


class SignInView(LoginView):
    """Asks for e-mail and password; who is signed in already goes on to the overview."""

    template_name = "sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Lead people who are signed in to their overview and everybody else to the prices."""
    return redirect("overview" if request.user.is_authenticated else "prices")
