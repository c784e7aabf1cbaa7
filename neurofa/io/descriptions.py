"""Descriptions as text inside other files: canonical JSON, checked when it is read."""

import json
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any

from ..spec import Hardware, InputError, Network, Rule, Spiking, Training
from ..spec.errors import require
from .config import dump_model
from .validation import Spec, Where, validate

DESCRIPTIONS: dict[str, type] = {
    "network": Network,
    "rule": Rule,
    "training": Training,
    "spiking": Spiking,
    "hardware": Hardware,
}
WORDS = ("name", "title", "source")  # fields of any text


def as_text(name: str, value: Any) -> str:
    """A description as canonical JSON; `hardware` may be a name."""
    if name == "hardware" and isinstance(value, str):
        return json.dumps(value)
    require(
        is_dataclass(value) and isinstance(value, DESCRIPTIONS[name]),
        f"{name} is a {type(value).__name__}; give a {DESCRIPTIONS[name].__name__}",
    )
    return dump_model(value)


def read_texts(texts: Mapping[str, Any], label: str) -> dict[str, Any]:
    """The descriptions among `texts`, None where there is none; `label` is the file in messages.

    Raises
    ------
    InputError
        For text that is no description, with its key.
    """
    where, found = Where(label), dict[str, Any].fromkeys(DESCRIPTIONS)
    for name, kind in DESCRIPTIONS.items():
        if name in texts:
            table = _table(texts[name], name, label)
            named = name == "hardware" and isinstance(table, str)
            found[name] = table if named else validate(kind, table, name, where)
    return found


def read_text(kind: type[Spec], text: str, name: str, label: str) -> Spec:
    """A description of another kind that `dump_model` wrote; raises as `read_texts`."""
    return validate(kind, _table(text, name, label), name, Where(label))


def _table(text: str, name: str, label: str) -> Any:
    try:
        return _infinite(json.loads(text))
    except (TypeError, ValueError) as error:
        raise InputError(f"{label}: {name} is not valid JSON ({error}); write the file again") from error


def _infinite(item: Any, key: str = "") -> Any:
    """A description with infinite numbers, which JSON has as strings; words stay what they are."""
    if isinstance(item, dict):
        return {name: _infinite(value, name) for name, value in item.items()}
    if isinstance(item, list):
        return [_infinite(value) for value in item]
    return float(item) if item in ("inf", "-inf") and key not in WORDS else item
