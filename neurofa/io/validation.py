"""Tables into dataclasses of the spec: the first thing that is wrong, in one line that starts with its key.

The types are those of the dataclasses, checked by pydantic as strictly as JSON allows: a whole number may stand for a
number, but neither text nor true for one. Ranges and combinations are checked by the dataclasses themselves.
"""

import dataclasses
import json
import tomllib
import types
import typing
from collections.abc import Callable, Iterable
from functools import cache
from importlib.resources.abc import Traversable
from typing import Any, NoReturn, TypeVar, cast

from ..spec import InputError
from ..spec.errors import first_line, nearest_hint

EXPECTED = {  # by the first word of pydantic's error types
    "int": "a whole number",
    "float": "a number",
    "string": "a string",
    "bool": "true or false",
    "tuple": "a list",
    "dataclass": "a table",
}

KINDS = ("optimiser", "schedule", "init", "bias_init", "feedback_init")  # a table of another kind takes their place
Table = dict[str, Any]
Keys = tuple[str | int, ...]
Spec = TypeVar("Spec")


@dataclasses.dataclass(frozen=True)
class Where:
    """A file in error messages, by the name that the user gave."""

    label: str

    def fail(self, key: str, message: object) -> NoReturn:
        """Raise `InputError` in one line: the file, the key, the message."""
        raise InputError(f"{self.label}: {key}: {line(message)}")

    def call(self, key: str, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function that may raise `InputError`, with the key put in front of its message."""
        try:
            return function(*args)
        except InputError as error:
            self.fail(key, error)

    def table(self, value: Any, key: str, allowed: Iterable[str] | None = None) -> Table:
        """`value`, if it is a table that has no keys but the allowed ones."""
        if not isinstance(value, dict):
            self.fail(key, f"must be a table, not {shown(value)}")
        for name in value if allowed is not None else ():
            if name not in (names := list(allowed or ())):
                self.fail(f"{key}.{name}" if key else name, _unknown(name, names))
        return value


def line(message: object) -> str:
    """A message in one line."""
    return " ".join(str(message).split())


def overlaid(shared: Table, own: Table) -> Table:
    """A table with another one over it, key by key.

    A table without `kind` adds to what is there, or to what a name there stands for.
    """
    merged = dict(shared)
    for name, value in own.items():
        old = shared.get(name)
        if isinstance(value, dict) and isinstance(old, str) and "kind" not in value:
            merged[name] = {"kind": old} | value
        elif isinstance(value, dict) and isinstance(old, dict) and not (name in KINDS and "kind" in value):
            merged[name] = overlaid(old, value)
        else:
            merged[name] = value
    return merged


def _unknown(name: str, allowed: list[str]) -> str:
    return f"unknown key{nearest_hint(name, allowed)}; allowed: {', '.join(allowed)}"


def shown(value: Any) -> str:
    """A value as a file writes it, if that is short."""
    text = str(value) if isinstance(value, float) else json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def read_toml(path: Traversable, where: Where, remedy: str) -> Table:
    """The table in a TOML file.

    Parameters
    ----------
    path
        The file, on a disk or in a package.
    where
        What it is called in messages.
    remedy
        What to give in place of a file that cannot be read.

    Raises
    ------
    InputError
        For a file that is absent, no text, or not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{where.label}: not valid TOML: {line(error)}") from None
    except RecursionError:
        raise InputError(f"{where.label}: not valid TOML: too many tables or lists in each other") from None
    except UnicodeDecodeError:
        raise InputError(f"{where.label}: not a text file in UTF-8; {remedy}") from None
    except OSError as error:
        raise InputError(f"{where.label}: cannot be read: {first_line(error)}; {remedy}") from None


@cache
def _adapter(cls: type) -> Any:
    from pydantic import TypeAdapter  # dear to import, and of no use before a file is read

    return TypeAdapter(cls)


def validate(cls: type[Spec], table: Any, key: str, where: Where) -> Spec:
    """An instance of a dataclass of the spec from a table.

    Parameters
    ----------
    cls
        The dataclass.
    table
        Its fields as TOML has them; infinite numbers pass, and the dataclass says which of them make sense.
    key
        The table's dotted key.
    where
        The file.

    Raises
    ------
    InputError
        For the first thing that is wrong, with its dotted key.
    """
    from pydantic import ValidationError

    where.table(table, key)
    try:  # JSON's strict mode takes lists for tuples and tables for dataclasses, but no bool for a number
        return cast(Spec, _adapter(cast(type, cls)).validate_json(json.dumps(table, default=str), strict=True))
    except ValidationError as error:
        problems = [(_real_path(e["loc"], table, e["type"]), e) for e in error.errors(include_url=False)]
    except OverflowError:  # of arithmetic in the dataclass's own checks
        where.fail(key, "has numbers that are too large, or too small, for each other; give ordinary ones")
    return _explain(cls, table, key, where, problems)


def _explain(cls: type, table: Table, key: str, where: Where, problems: list[tuple[Keys, Any]]) -> NoReturn:
    """Raise for the first problem; misspelt keys come first, since they cause others."""
    for path, problem in problems:
        if problem["type"] == "unexpected_keyword_argument":
            where.fail(_dotted(key, path), _unknown(str(path[-1]), _fields_at(cls, path[:-1])))
    first = [(path, problem) for path, problem in problems if path[:1] == problems[0][0][:1]]
    for path, problem in first:
        if problem["type"] == "value_error":
            message = str(problem["ctx"]["error"])
            named = next((word for word in message.split()[:2] if word in _fields_at(cls, path)), None)
            where.fail(_dotted(key, (*path, named) if named else path), message)
    path = max((path for path, _ in first), key=len)  # the branch of a union that went farthest
    kinds = [problem["type"] for own, problem in first if own == path]
    missing = "missing" in kinds
    if missing and isinstance(path[-1], str):
        where.fail(_dotted(key, path), "is missing")
    value: Any = table
    for name in path[:-1] if missing else path:
        value = value[name]
    if missing or "too_long" in kinds:
        where.fail(_dotted(key, path[:1]), f"has the wrong number of values: {shown(value)}")
    expected = dict.fromkeys(EXPECTED.get(kind.split("_")[0], kind.replace("_", " ")) for kind in kinds)
    where.fail(_dotted(key, path), f"must be {' or '.join(expected)}, not {shown(value)}")


def _real_path(loc: Keys, table: Any, kind: str) -> Keys:
    """The part of pydantic's location that exists in the file, without the names of a union's branches."""
    path: list[str | int] = []
    value: Any = table
    for index, name in enumerate(loc):
        inside = isinstance(value, list) and isinstance(name, int) and name < len(value)
        if inside or (isinstance(value, dict) and name in value):
            value = value[name]
            path.append(name)
        elif kind == "missing" and index == len(loc) - 1:
            path.append(name)
    return tuple(path)


def _dotted(key: str, path: Iterable[str | int]) -> str:
    return key + "".join(f"[{name}]" if isinstance(name, int) else f".{name}" for name in path)


def _fields_at(cls: type, path: Keys) -> list[str]:
    """Names of the fields that the table at `path` may have."""
    hint: Any = cls
    for name in (part for part in path if isinstance(part, str)):
        hint = typing.get_type_hints(_dataclass_in(hint))[name]
    found = _dataclass_in(hint)
    return [field.name for field in dataclasses.fields(found)] if found else []


def _dataclass_in(hint: Any) -> Any:
    """The dataclass that a type is, or has among its branches."""
    if dataclasses.is_dataclass(hint):
        return hint
    if typing.get_origin(hint) in (typing.Union, types.UnionType, tuple):
        return next((found for part in typing.get_args(hint) if (found := _dataclass_in(part))), None)
    return None
