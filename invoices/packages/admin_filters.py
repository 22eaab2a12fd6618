"""Filters of quota packages in the admin: their state, and which expire soon."""

import datetime as dt
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from invoices.packages.status import CURRENT, PackageState, in_state
from sensenova_billing.lib import clock

SOON_DAYS = 7
_WITHIN = {"1": _("a day"), "3": _("3 days"), str(SOON_DAYS): _("7 days"), "30": _("30 days")}


class PackageStateFilter(admin.SimpleListFilter):
    """Scheduled, in force, used up, expired or refunded."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """All states."""
        return [(state.value, gettext(state.label)) for state in PackageState]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those in the state that was chosen."""
        chosen = self.value()
        if chosen not in list(PackageState):
            return queryset
        return in_state(queryset, PackageState(chosen), at=clock.now())


class ExpiresSoonFilter(admin.SimpleListFilter):
    """Those in force or scheduled that expire within some days."""

    title = _("expires within")
    parameter_name = "expires_within"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """So many days."""
        return [(days, str(words)) for days, words in _WITHIN.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those that expire within the days that were chosen."""
        chosen = self.value()
        if chosen not in _WITHIN:
            return queryset
        now = clock.now()
        until = now + dt.timedelta(days=int(chosen))
        return queryset.filter(state__in=CURRENT, expires_at__gt=now, expires_at__lte=until)
