"""A page of the admin that asks for what is booked or issued, and says that it cannot be changed."""

from typing import Any

from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from sensenova_billing.lib.admin.base import ModelAdmin


def form_page(model_admin: ModelAdmin, request: HttpRequest, form: Form, **context: Any) -> HttpResponse:
    """Return the form with the title, the note, the button and the way back that are given."""
    whole = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "form": form,
        **context,
    }
    return render(request, "admin/book_transaction.html", whole, status=400 if form.errors else 200)
