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
    hint = nearest_hint(str(value), names)
    raise InputError(f"{what} {value!r} is unknown{hint}; {listed_by or 'choose one of: ' + ', '.join(names)}")


def nearest_hint(name: str, names: Iterable[str], most: int = 1, likeness: float = 0.6) -> str:
    """What may have been meant, in parentheses with a space in front, to follow "unknown"; empty if nothing is near."""
    near = get_close_matches(name, list(names), n=most, cutoff=likeness)
    return f" (did you mean {' or '.join(map(repr, near))}?)" if near else ""


def first_line(error: BaseException) -> str:
    """What an error of another library says, short enough for a message in one line."""
    said = getattr(error, "strerror", None) or str(error).strip() or type(error).__name__
    return str(said).splitlines()[0]
