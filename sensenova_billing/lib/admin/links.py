"""Links within the admin."""

from typing import Any

from django.urls import reverse
from django.utils.html import format_html


def row_link(model: str, pk: Any, text: Any) -> str:
    """Return a link to the page of a row, e.g. of `accounts_customer`."""
    return format_html(
        '<a class="underline" href="{}">{}</a>', reverse(f"admin:{model}_change", args=[pk]), text
    )
