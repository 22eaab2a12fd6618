"""The lists of usage in the admin."""

from django.contrib import admin

from usage.models import RefusedUsage
from usage.refused.admin import RefusedUsageAdmin

admin.site.register(RefusedUsage, RefusedUsageAdmin)
