"""The one exception for input that cannot be used, and helpers that word its messages."""

from collections.abc import Iterable
from difflib import get_close_matches
from numbers import Integral


class InputError(ValueError):
    """Input that cannot be used: names the culprit and the remedy in one line.

    The command line prints it on stderr and exits with status 2.
    """


def require(condition: bool, message: str) -> None:
    """Raise `InputError` with `message` unless `condition` holds."""
    if not condition:
        raise InputError(message)


def require_whole(what: str, owner: object, *names: str) -> None:
    """Raise `InputError` unless these attributes of `owner` are whole numbers, or None."""
    for name in names:
        value = getattr(owner, name)
        whole = value is None or (isinstance(value, Integral) and not isinstance(value, bool))
        require(whole, f"{what} {name} is {value!r}; it must be a whole number")


def require_kind(what: str, value: object, kind: type, *, optional: bool = False) -> None:
    """Raise `InputError` unless `value` is of a kind, or None where it may be left out."""
    fits = isinstance(value, kind) or (optional and value is None)
    require(fits, f"{what} is {value!r}; give an instance of {kind.__name__}{', or None' if optional else ''}")


def require_choice(what: str, value: object, allowed: Iterable[str], listed_by: str = "") -> None:
    """Raise `InputError` unless `value` is one of `allowed`, with the nearest name as a hint.

    Where there are too many names for a line, `listed_by` is what to say in their place.
    """
    names = list(allowed)
    if value in names:
        return
    near = get_close_matches(str(value), names, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise InputError(f"{what} {value!r} is unknown{hint}; {listed_by or 'choose one of: ' + ', '.join(names)}")
