"""Single settings laid over a model's file: ``training.learning_rate=1e-2``, in the syntax of TOML."""

import dataclasses
import json
import math
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from ..spec import InputError, Model
from ..spec.errors import described, require
from .config import load_model, model_table, read_model
from .validation import Table, Where, line, overlaid

BARE = re.compile(r"[A-Za-z0-9_-]+")  # names that need no quotes in a key
Path = tuple[str, ...]


def load_changed(
    path_or_name: str | os.PathLike[str], settings: Sequence[str], rules: Sequence[str], modes: Sequence[str]
) -> Model:
    """Read a model with other settings in place, for runs by these rules in these modes.

    What those runs do not use is left out of it, so that a network of other layers need not fit to it.

    Parameters
    ----------
    path_or_name
        As for `load_model`.
    settings
        ``KEY=VALUE`` each, as the file would have them, such as ``"training.learning_rate=1e-2"``. The model's
        `source` names them.
    rules, modes
        Names of what is run.

    Returns
    -------
    Model

    Raises
    ------
    InputError
        As `load_model`, and for a setting that none of the runs would hear of.
    """
    if not settings:
        return load_model(path_or_name)
    where = Where(f"{path_or_name} with {'; '.join(settings)}")

    def change(table: Table) -> Table:
        given = table.get("rules", {})
        changed = laid_over(table, settings)
        if isinstance(given, dict):  # otherwise it is refused when it is read
            require_heard(settings, given, rules, modes)
        return used_alone(changed, rules, modes)

    model = read_model(path_or_name, where, change)
    source = model.source or os.fspath(path_or_name)
    return dataclasses.replace(model, source=f"{source}, with {'; '.join(settings)}")


def settings_out_of_reach(
    path_or_name: str | os.PathLike[str], settings: Sequence[str], rules: Sequence[str]
) -> list[str]:
    """For each rule of which a model has its own value in place of one that is set: a line that says so."""
    own = model_table(path_or_name).get("rules", {})
    return [
        f"setting {setting!r} does not reach rule {rule!r}, for which the model has its own"
        for setting in settings
        for rule in rules
        if any(path[0] != "rules" and _has_own(own, rule, path) for path in paths_of(read_setting(setting)))
    ]


def require_said_once(settings: Sequence[str], option: str, *keys: str) -> None:
    """Refuse a setting of one of these keys, which an option has the say over.

    Parameters
    ----------
    settings
        As for `load_changed`.
    option
        The option that is given, as in ``--epochs``.
    keys
        Keys that it takes the place of, such as ``training.epochs``; of a rule's own settings, too.
    """
    for setting in settings:
        for path in paths_of(read_setting(setting)):
            part = path[2:] if path[0] == "rules" else path
            require(_dotted(part) not in keys, f"setting {setting!r} and {option} say the same; leave one of them out")


def laid_over(table: Table, settings: Sequence[str]) -> Table:
    """The table of a model's file with settings in place, the later ones over the earlier.

    Parameters
    ----------
    table
        What the file holds; stays as it is.
    settings
        ``KEY=VALUE`` each, key and value as the file would have them.

    Raises
    ------
    InputError
        For what is no setting in TOML. Keys and values are checked when the table is read.
    """
    for setting in settings:
        table = overlaid(table, read_setting(setting))
    return table


def read_setting(setting: str) -> Table:
    """The table that a setting stands for."""
    require(isinstance(setting, str), f"a setting is {described(setting)}; give 'KEY=VALUE', as in a model's file")
    try:
        table = tomllib.loads(setting)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(
            f"setting {setting!r} is not KEY=VALUE in TOML: {line(error)}; text needs quotes, as in "
            "'data.name=\"mnist\"'"
        ) from None
    require(bool(paths_of(table)), f"setting {setting!r} sets nothing; give KEY=VALUE, as in 'training.epochs=3'")
    return table


def as_setting(key: str, value: Any) -> str:
    """The setting ``KEY=VALUE`` of a value in Python.

    Examples
    --------
    >>> as_setting("training.schedule", {"kind": "step", "milestones": (3, 5)})
    'training.schedule={kind = "step", milestones = [3, 5]}'
    """
    return f"{key}={_in_toml(key, value)}"


def _in_toml(key: str, value: Any) -> str:
    if hasattr(value, "tolist"):  # arrays and scalars of NumPy
        value = value.tolist()
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_dotted((name,))} = {_in_toml(key, part)}" for name, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_in_toml(key, part) for part in value) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    known = isinstance(value, bool | int | float | str)
    require(known, f"{key} is {described(value)}, which a model's file cannot have; give a number, text or a list")
    return json.dumps(value, ensure_ascii=False)


def read_variation(text: str) -> tuple[str, list[Any]]:
    """The key and the values of ``KEY=[VALUE, ...]`` in TOML.

    Raises
    ------
    InputError
        If it is no list of values of one key.
    """
    table: Any = read_setting(text)
    paths = paths_of(table)
    require(len(paths) == 1, f"{text!r} varies {len(paths)} keys; give them one by one")
    for name in paths[0]:
        table = table[name]
    require(isinstance(table, list), f"{text!r} is no list of values; give KEY=[VALUE, VALUE]")
    return _dotted(paths[0]), table


def key_for(own: Table, rule: str, key: str) -> str:
    """The key under which a setting reaches a rule: where the model has the rule's own value, that of this value.

    Parameters
    ----------
    own
        The table ``rules`` of the model's file.
    rule
        The rule's name.
    key
        As for all rules, such as ``training.learning_rate``.

    Raises
    ------
    InputError
        If the model has some settings of the rule's own below the key, which a value for all would drop.
    """
    path = path_of(key)
    if not isinstance(own, dict) or not _has_own(own, rule, path):
        return key
    value: Any = own[rule]
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    dropped = [f"{key}.{name}" for name in value] if isinstance(value, dict) and "kind" not in value else []
    require(
        not dropped,
        f"rule {rule!r} has {', '.join(dropped)} of its own in the model, which another {key} would drop; vary a key "
        "below it, or leave the rule out",
    )
    return _dotted(("rules", rule, *path))


def path_of(key: str) -> Path:
    """The names that a dotted key consists of."""
    return paths_of(read_setting(f"{key}=0"))[0]


def require_heard(settings: Sequence[str], own: Table, rules: Sequence[str], modes: Sequence[str]) -> None:
    """Refuse a setting that would change nothing of any run.

    Parameters
    ----------
    settings
        As for `laid_over`.
    own
        The table ``rules`` of the model's file.
    rules, modes
        Names of what is run.
    """
    for setting in settings:
        for path in paths_of(read_setting(setting)):
            reasons = [_unheard(path, own, rule, mode) for rule in rules for mode in modes]
            require(not all(reasons), f"setting {setting!r} {next(iter(reasons), '')}")


def _unheard(path: Path, own: Table, rule: str, mode: str) -> str:
    """Why a setting changes nothing of a run, as the end of a message; empty if it does."""
    of_rule = path[0] == "rules" and len(path) > 2
    if of_rule and path[1] != rule:
        return f"is of rule {path[1]!r}, which is not run; leave it out"
    part = path[2:] if of_rule else path
    before, on_spikes = path[: len(path) - len(part)], ("spiking", *part)
    if part[0] == "training" and mode != "rate":
        wanted = ("rules", rule, *on_spikes) if _has_own(own, rule, on_spikes) else (*before, *on_spikes)
        return f"is of rate mode, and the mode is {mode!r}; set {_dotted(wanted)}"
    if part[0] == "spiking" and mode == "rate":
        return "is of spiking mode, and the mode is 'rate'; leave it out, or give another mode"
    if not of_rule and _has_own(own, rule, path):
        return f"does not reach rule {rule!r}, for which the model has its own; set {_dotted(('rules', rule, *path))}"
    return ""


def _has_own(rules: Table, rule: str, path: Path) -> bool:
    """Whether a model's file has a value of a rule's own in place of the one at a path."""
    value: Any = rules.get(rule, {})
    for name in path:
        if not isinstance(value, dict):
            return True
        if name not in value:
            return False
        value = value[name]
    return True


def _dotted(path: Path) -> str:
    """A key as TOML writes it."""
    return ".".join(name if BARE.fullmatch(name) else f'"{name}"' for name in path)


def used_alone(table: Table, rules: Sequence[str], modes: Sequence[str]) -> Table:
    """A model's table without what these runs do not use; names of rules stay, to be checked where rules are known."""
    unused = {"training"} if "rate" not in modes else {"spiking"} if set(modes) == {"rate"} else set()

    def used(part: Any) -> Any:
        return {name: value for name, value in part.items() if name not in unused} if isinstance(part, dict) else part

    kept = used(table)
    if isinstance(own := table.get("rules"), dict):
        kept["rules"] = {name: used(part) if name in rules else {} for name, part in own.items()}
    return kept


def paths_of(table: Table) -> list[Path]:
    """Keys of all values in a table and the tables in it."""
    found: list[Path] = []
    for name, value in table.items():
        inside = paths_of(value) if isinstance(value, dict) else [()]
        found += [(name, *path) for path in inside]
    return found
