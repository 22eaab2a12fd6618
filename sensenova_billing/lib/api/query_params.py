"""Query parameters, read strictly: a misspelt one would otherwise be ignored in silence."""

from typing import Any

from django import forms
from django.http import QueryDict

from sensenova_billing.lib.api.errors import InvalidQuery


class NoQuery(forms.Form):
    """No parameter at all."""


class CustomerQuery(forms.Form):
    """One customer, by its code."""

    customer = forms.CharField(max_length=64, strip=False)


class OptionalCustomerQuery(forms.Form):
    """One customer, by its code, or none."""

    customer = forms.CharField(max_length=64, strip=False, required=False)


def limit_field(most: int) -> forms.IntegerField:
    """How many entries a page holds."""
    message = f"must be a whole number from 1 to {most}"
    errors = {"invalid": message, "min_value": message, "max_value": message}
    return forms.IntegerField(min_value=1, max_value=most, required=False, error_messages=errors)


def cursor_field(pattern: str) -> forms.RegexField:
    """A place in a list, as the page before named it."""
    errors = {"invalid": "is not what an earlier page named"}
    return forms.RegexField(
        regex=pattern.removesuffix("$") + r"\Z", required=False, strip=False, error_messages=errors
    )


def read_query(form_class: type[forms.Form], query: QueryDict) -> dict[str, Any]:
    """Return the parameters; raise InvalidQuery for an invalid, unknown, empty or repeated one."""
    form = form_class(query)
    problems = {name: str(errors[0]) for name, errors in form.errors.items()}
    for name, values in query.lists():
        if name not in form.fields:
            problems[name] = "is unknown"
        elif len(values) > 1:
            problems[name] = "is given more than once"
        elif values == [""]:
            problems[name] = "is empty"
    if problems:
        raise InvalidQuery(problems)
    return form.cleaned_data
