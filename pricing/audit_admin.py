"""The audit trail with the filters that need the catalogue: by service and by the kind of a price."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.audit.admin import TRAIL_FILTERS, AuditEntryAdmin
from accounts.audit.filters import NameFilter
from accounts.models import AuditEntry, AuditReference
from pricing.models import Price, Service
from pricing.rules.kinds import Kind
from pricing.words import kind_name


class ServiceFilter(NameFilter):
    """By the name of a service: itself, its billing items, their prices, its limits and aliases."""

    title, parameter_name = _("service"), "service"
    model, field = Service, "name"


class PriceKindFilter(admin.SimpleListFilter):
    """Prices of one kind."""

    title, parameter_name = _("kind of price"), "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """List price, offer and trial."""
        return [(kind, kind_name(kind)) for kind in Kind]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        """Entries of such prices."""
        kind = self.value()
        if kind is None or kind not in dict(self.lookup_choices):
            return queryset
        prices = queryset.filter(table=Price._meta.db_table)
        return prices.alias(kind=AuditReference("kind")).filter(kind=kind)


class CatalogueAuditAdmin(AuditEntryAdmin):
    """Every change, also found by service."""

    list_filter = (TRAIL_FILTERS[0], ServiceFilter, *TRAIL_FILTERS[1:], PriceKindFilter)
