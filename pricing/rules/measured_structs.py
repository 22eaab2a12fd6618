"""Structs with a field for each measure."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import msgspec
from msgspec import NODEFAULT

from pricing.rules.measures import Measure

Payload = TypeVar("Payload", bound=msgspec.Struct)


def with_measures(quantity: Any, *, default: Any = NODEFAULT) -> Callable[[type[Payload]], type[Payload]]:
    """Add a field of this type for each measure for which a Struct has none, in the order of Measure."""

    def add_fields(struct: type[Payload]) -> type[Payload]:
        missing = [measure.value for measure in Measure if measure.value not in struct.__struct_fields__]
        made = msgspec.defstruct(
            struct.__name__,
            [(name, quantity) if default is NODEFAULT else (name, quantity, default) for name in missing],
            bases=(struct,),
            namespace={"__doc__": struct.__doc__, "__module__": struct.__module__},
            frozen=True,
            kw_only=True,
        )
        return cast(type[Payload], made)

    return add_fields
