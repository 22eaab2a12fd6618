"""The lists of usage in the admin."""

from django.contrib import admin

from usage.limits.admin import BudgetAdmin
from usage.models import Budget, QuarantinedUsage, RefusedUsage
from usage.quarantine.admin import QuarantinedUsageAdmin
from usage.refused.admin import RefusedUsageAdmin

admin.site.register(RefusedUsage, RefusedUsageAdmin)
admin.site.register(QuarantinedUsage, QuarantinedUsageAdmin)
admin.site.register(Budget, BudgetAdmin)
