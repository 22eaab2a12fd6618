"""The classes of unfold's admin, which has no types, with those of Django's, from which they inherit."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django.contrib import admin
    from django.contrib.admin.views.main import ChangeList
    from django.http import HttpRequest

    class ModelAdmin(admin.ModelAdmin[Any]):
        """With what unfold adds to it."""

        def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]: ...

    TabularInline = admin.TabularInline[Any, Any]
    # What a mixin of a ModelAdmin finds in `super()`.
    AdminMixin = ModelAdmin
else:
    from unfold.admin import ModelAdmin, TabularInline
    from unfold.views import ChangeList

    AdminMixin = object

__all__ = ["AdminMixin", "ChangeList", "ModelAdmin", "TabularInline"]
