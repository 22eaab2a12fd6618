"""Filters of prices, call specifications and package terms: state, and whether they are a customer's own."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from pricing.models import CallSpecification, PackageTerms, Price, in_force
from sensenova_billing.lib import clock
from sensenova_billing.lib.admin.labels import Label

IN_FORCE, SCHEDULED, ENDED = gettext_noop("in force"), gettext_noop("scheduled"), gettext_noop("ended")
STATES = {IN_FORCE: "success", SCHEDULED: "info", ENDED: "default"}


def state_of(dated: Price | CallSpecification | PackageTerms) -> str:
    """Return in which state it is now."""
    now = clock.now()
    if dated.begins_at > now:
        return SCHEDULED
    return ENDED if dated.ends_at and dated.ends_at <= now else IN_FORCE


def state_in_words(dated: Price | CallSpecification | PackageTerms) -> Label:
    """Return the state, by which a column is coloured, and its words."""
    state = state_of(dated)
    return Label(state, gettext(state))


class StateFilter(admin.SimpleListFilter):
    """In force, scheduled or ended."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The three states."""
        return [(state, gettext(state)) for state in STATES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those in the state that was chosen."""
        now = clock.now()
        conditions = {
            IN_FORCE: in_force(at=now),
            SCHEDULED: Q(begins_at__gt=now),
            ENDED: Q(ends_at__lte=now),
        }
        return queryset.filter(conditions.get(self.value() or "", Q()))


class ForWhomFilter(admin.SimpleListFilter):
    """For everybody or agreed with one customer."""

    title = _("customer")
    parameter_name = "for"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The two sorts."""
        return [("everybody", gettext("everybody")), ("one", gettext("one customer"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those of the sort that was chosen."""
        if self.value() is None:
            return queryset
        return queryset.filter(customer__isnull=self.value() == "everybody")
