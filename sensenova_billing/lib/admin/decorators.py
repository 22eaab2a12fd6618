"""The decorators of unfold, which has no types, with their types."""

from collections.abc import Callable, Hashable, Mapping
from functools import lru_cache, wraps
from typing import Any, TypeVar, cast

from django.utils.safestring import SafeString
from unfold import decorators
from unfold.utils import display_for_label

Method = TypeVar("Method", bound=Callable[..., Any])


def action(**options: Any) -> Callable[[Method], Method]:
    """Make the method an action of the admin, by unfold's options."""
    return cast(Callable[[Method], Method], decorators.action(**options))


def display(*, label: Mapping[str, str] | None = None, **options: Any) -> Callable[[Method], Method]:
    """Say how the method's value is shown in the admin, by unfold's options."""
    decorate = cast(Callable[[Method], Method], decorators.display(**options))
    if label is None:
        return decorate
    labels = tuple((str(value), kind) for value, kind in label.items())

    def decorate_with_label(method: Method) -> Method:
        @wraps(method)
        def labelled(*arguments: Any) -> SafeString:
            return _label(method(*arguments), labels)

        return decorate(cast(Method, labelled))

    return decorate_with_label


@lru_cache(maxsize=256)
def _label(value: Hashable, labels: tuple[tuple[str, str], ...]) -> SafeString:
    """Return a value as a coloured label; unfold renders a template for each cell of a list."""
    return cast(SafeString, display_for_label(value, "", dict(labels)))
