"""The decorators of unfold, which has no types, with their types."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from unfold import decorators

Method = TypeVar("Method", bound=Callable[..., Any])


def action(**options: Any) -> Callable[[Method], Method]:
    """Make the method an action of the admin, by unfold's options."""
    return cast(Callable[[Method], Method], decorators.action(**options))


def display(**options: Any) -> Callable[[Method], Method]:
    """Say how the method's value is shown in the admin, by unfold's options."""
    return cast(Callable[[Method], Method], decorators.display(**options))
