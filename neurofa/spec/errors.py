"""The one exception for input that cannot be used, and helpers that word its messages."""

import math
import sys
from collections.abc import Iterable, Mapping, Set
from dataclasses import fields
from difflib import get_close_matches
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, get_args

ALIASES = {"linear": "identity", "cross_entropy": "cce", "mean_squared_error": "mse"}  # names that other tools have
FINITE = -sys.float_info.max, sys.float_info.max
MOST_SHOWN = 60  # characters of a value in a message


class InputError(ValueError):
    """Input that cannot be used: names the culprit and the remedy in one line.

    The command line prints it on stderr and exits with status 2.
    """


def require(condition: bool, message: str) -> None:
    """Raise `InputError` with `message` unless `condition` holds."""
    if not condition:
        raise InputError(message)


def require_fields(what: str, owner: Any, arrays: str = "") -> None:
    """Raise `InputError` unless the fields of a dataclass are of the kinds that it declares.

    Fields that hold several values are looked at where they are read. `arrays` says where arrays go instead.
    """
    for field in fields(owner):
        kinds = get_args(field.type) if isinstance(field.type, UnionType) else (field.type,)
        value = getattr(owner, field.name)
        if not all(isinstance(kind, type) for kind in kinds) or any(_is(value, kind) for kind in kinds):
            continue
        asked = " or ".join(ASKED.get(kind, f"an instance of {kind.__name__}") for kind in kinds)
        given = f"{what} {field.name} is {described(value)}; give {asked}"
        raise InputError(given + (f" ({arrays})" if arrays and hasattr(value, "shape") else ""))


ASKED: dict[type, str] = {
    bool: "True or False", int: "a whole number", float: "a number", str: "a name", NoneType: "None"
}  # fmt: skip


def _is(value: object, kind: type) -> bool:
    """Whether a value is of a kind: True is no number, and a whole number will do for a number."""
    if kind in (int, float):
        return isinstance(value, Integral if kind is int else Real) and not isinstance(value, bool)
    return isinstance(value, kind)


def described(value: object) -> str:
    """A value for a message: itself where that is short, otherwise what it is."""
    text = repr(value)
    return text if len(text) <= MOST_SHOWN and "\n" not in text else f"of type {type(value).__name__}"


def as_tuple(what: str, value: Any, *, one: type | None = None) -> tuple[Any, ...]:
    """Several values as a tuple: of a list or an array, too; a single one where it is of the kind `one`."""
    if one is not None and isinstance(value, one):
        return (value,)
    several = isinstance(value, Iterable) and not isinstance(value, str | Mapping | Set)
    require(several, f"{what} is {described(value)}; give a list")
    return tuple(value)


def ascending_pair(what: str, value: Any, low: float, high: float, hint: str) -> tuple[float, float]:
    """Two numbers from `low` to `high`, the first below the second, as a tuple: of a list or an array, too."""
    pair = as_tuple(what, value)
    fits = len(pair) == 2 and all(_is(number, float) for number in pair) and low <= pair[0] < pair[1] <= high
    require(fits, f"{what} is {described(pair)}; give {hint}")
    return pair


def require_kind(what: str, value: object, kind: type | UnionType, *, optional: bool = False, hint: str = "") -> None:
    """Raise `InputError` unless `value` is of a kind, or None where it may be left out; `hint` says how to get one."""
    if not (isinstance(value, kind) or (optional and value is None)):
        wanted = hint or f"an instance of {getattr(kind, '__name__', kind)}"
        raise InputError(f"{what} is {described(value)}; give {wanted}{', or None' if optional else ''}")


def require_number(what: str, value: object, *, optional: bool = False) -> None:
    """Raise `InputError` unless `value` is a real number (infinite and NaN are), or None where it may be left out."""
    fits = _is(value, float) or (optional and value is None)
    if not fits:
        raise InputError(f"{what} is {described(value)}; give a number{', or None' if optional else ''}")


def require_positive(what: str, value: float, *, infinite: bool = False) -> None:
    """Raise `InputError` unless `value` is a positive number, and a finite one unless it may be `infinite`."""
    require_number(what, value)
    fits = value > 0 and (infinite or value < math.inf)
    require(fits, f"{what} is {value}; it must be positive{'' if infinite else ' and finite'}")


def require_finite(what: str, value: float) -> None:
    """Raise `InputError` unless `value` is a finite number."""
    require_number(what, value)
    require(-math.inf < value < math.inf, f"{what} is {value}; it must be finite")


def require_choice(what: str, value: object, allowed: Iterable[str], listed_by: str = "") -> None:
    """Raise `InputError` unless `value` is one of `allowed`, with the nearest name as a hint.

    Where there are too many names for a line, `listed_by` is what to say in their place.
    """
    names = list(allowed)
    if isinstance(value, str) and value in names:
        return
    hint = nearest_hint(str(value), names)
    raise InputError(f"{what} {described(value)} is unknown{hint}; {listed_by or 'choose one of: ' + ', '.join(names)}")


def nearest_hint(name: str, names: Iterable[str], most: int = 1, likeness: float = 0.6) -> str:
    """What may have been meant, in parentheses with a space in front, to follow "unknown"; empty if nothing is near."""
    cases = {other.lower(): other for other in names}  # `ReLU` is near to relu
    near = [cases[found] for found in get_close_matches(name.lower(), list(cases), n=most, cutoff=likeness)]
    near = [ALIASES[name.lower()]] if not near and ALIASES.get(name.lower()) in cases.values() else near
    return f" (did you mean {' or '.join(map(repr, near))}?)" if near else ""


def first_line(error: BaseException) -> str:
    """What an error of another library says, short enough for a message in one line."""
    said = getattr(error, "strerror", None) or str(error).strip() or type(error).__name__
    return str(said).splitlines()[0]
