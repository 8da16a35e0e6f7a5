"""Read what a file says about itself: types, lengths, depth and characters are checked before anything believes it.

Descriptions come from model files, checkpoints and reports that anybody may have written. The schema is the annotated
fields of a dataclass or a `TypedDict`. Fields that the schema does not know are left out: they are a newer version's.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, Union, get_args, get_origin, get_type_hints

from fastnst.printable import one_line, printable

MAX_TEXT_CHARACTERS = 20_000  # characters of one text
MAX_JSON_CHARACTERS = 200_000  # characters of one value
# For `dataclasses.field(metadata=…)`: figures that only inform. If they are damaged they are lost, and nothing else is.
INFORMS = {"informs": True}
_MAX_ITEMS = 5_000  # of one value, at all depths together
_MAX_DEPTH = 12  # lists and objects inside each other
_MAX_NUMBER = 2.0**53  # beyond it floats are no longer exact


class DescriptionError(ValueError):
    """A description, or a value in one, that is not what the schema says; the text says where and why."""


def fields_of(schema: type, values: Mapping[str, object]) -> dict[str, Any]:
    """The fields of a dataclass or `TypedDict` that `values` has, each of its type.

    Numbers become floats where floats are wanted; texts are brought to one line without control characters.
    Raises `DescriptionError`, which names the field.
    """
    found = {}
    for name, kind in _hints(schema).items():
        if name in values:
            try:
                found[name] = _conform(values[name], kind, [0], 0)
            except DescriptionError as error:
                if name not in _informing(schema):
                    raise DescriptionError(f"{name} {error}") from None
    return found


def read_json(text: str | bytes, max_characters: int = MAX_JSON_CHARACTERS) -> object:
    """The value in a JSON text of at most `max_characters` characters. Raises `DescriptionError`."""
    if len(text) > max_characters:
        raise DescriptionError(f"is longer than {max_characters:,} characters")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # broken, not UTF-8, numbers of thousands of digits, or nested too deep
        raise DescriptionError("is no JSON that can be read") from None


def _informing(schema: type) -> set[str]:
    if not dataclasses.is_dataclass(schema):
        return set()
    return {field.name for field in dataclasses.fields(schema) if field.metadata.get("informs")}


@functools.cache
def _hints(schema: type) -> dict[str, Any]:
    hints = get_type_hints(schema)
    if not dataclasses.is_dataclass(schema):
        return hints
    nested = {field.name: field.metadata.get("schema") for field in dataclasses.fields(schema)}
    return {name: nested[name] or hints[name] for name in nested}


def _conform(value: object, kind: Any, items: list[int], depth: int) -> Any:
    """`value` if it is of this type (a number becomes a float where one is wanted); `items` counts what was seen."""
    items[0] += 1
    if items[0] > _MAX_ITEMS or depth > _MAX_DEPTH:
        raise DescriptionError("holds too much")
    origin, parts = get_origin(kind), get_args(kind)
    if kind is Any:
        kind = _any_kind(value)
        origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _first_that_fits(value, parts, items, depth)
    if origin is list and isinstance(value, list):
        return [_conform(item, parts[0], items, depth + 1) for item in value]
    if origin is dict and isinstance(value, dict):
        return {_text(name): _conform(item, parts[1], items, depth + 1) for name, item in value.items()}
    if typing.is_typeddict(kind) and isinstance(value, dict):
        rest = {name: item for name, item in value.items() if name not in _hints(kind)}
        return _conform(rest, dict[str, Any], items, depth) | fields_of(kind, value)
    if kind is str:
        return _text(value)
    if kind is type(None) and value is None:
        return None
    if kind is bool and isinstance(value, bool):
        return value
    if kind in (int, float) and isinstance(value, int | float) and not isinstance(value, bool):
        return _number(value, kind)
    raise DescriptionError(f"is {printable(value, 40)}, not {_name(kind)}")


def _first_that_fits(value: object, kinds: tuple[Any, ...], items: list[int], depth: int) -> Any:
    """`value` as the first of several types that it is of; the last one's reason where it is of none."""
    for kind in kinds:
        if (kind is type(None)) == (value is None):
            return _conform(value, kind, items, depth)
    raise DescriptionError(f"is {printable(value, 40)}, not {' or '.join(map(_name, kinds))}")


def _any_kind(value: object) -> Any:
    kinds: dict[type, Any] = {list: list[Any], dict: dict[str, Any]}
    if value is None or isinstance(value, str | bool | int | float):
        return type(value)
    return kinds.get(type(value), str)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise DescriptionError(f"is {printable(value, 40)}, not a text")
    if len(value) > MAX_TEXT_CHARACTERS:
        raise DescriptionError(f"is longer than {MAX_TEXT_CHARACTERS:,} characters")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise DescriptionError("holds half a character (a lone surrogate)")
    return one_line(value)


def _number(value: int | float, kind: type) -> int | float:
    if not math.isfinite(value) or abs(value) > _MAX_NUMBER:
        raise DescriptionError(f"is {printable(value, 40)}, not a number that can be used")
    if kind is int and not isinstance(value, int):
        raise DescriptionError(f"is {value}, not a whole number")
    return float(value) if kind is float else value


def _name(kind: Any) -> str:
    names = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", type(None): "null"}
    if kind in names:
        return names[kind]
    return "a list" if get_origin(kind) is list else "an object"
