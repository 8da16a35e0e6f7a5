"""The loss terms by name. Adding one: its file, and its line here."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from fastnst.losses.term import LossTerm

# Their order is that of sums, logs, tables and cards.
_CLASSES = (
    "fastnst.losses.content:ContentTerm",
    "fastnst.losses.style:StyleTerm",
    "fastnst.losses.total_variation:TotalVariationTerm",
    "fastnst.losses.laplacian:LaplacianTerm",
    "fastnst.losses.periodicity:PeriodicityTerm",
    "fastnst.losses.temporal:TemporalTerm",
)

TERMS: dict[str, type[LossTerm]] = {term.name: term for term in map(pkgutil.resolve_name, _CLASSES)}

Class = TypeVar("Class", bound=type[Any])


def weight_key(name: str) -> str:
    """The option of a term's weight."""
    return f"{name}_weight"


def float_fields(
    fields: Callable[[type[LossTerm]], Mapping[str, tuple[float, str]]],
) -> Callable[[Class], Class]:
    """Give a class, before `dataclass` reads it, fields of every term: `{name: (default, help)}`.

    Written out, they would be a second place to change for each new term.
    """

    def add(cls: Class) -> Class:
        lines: list[str] = []
        for term in TERMS.values():
            for name, (default, about) in fields(term).items():
                cls.__annotations__[name] = "float"
                setattr(cls, name, default)
                lines.append(f"        {name}: {about}")
        cls.__doc__ = "\n".join([(cls.__doc__ or "").rstrip(), *lines, "    "])
        return cls

    return add
