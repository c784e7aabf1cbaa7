"""Models from TOML files: reading, checking, naming, and a hash that tells two descriptions apart.

A file has the keys ``title`` and ``source`` and the tables ``[network]``, ``[training]``, ``[data]``
and ``[rules.NAME]``. A network is given by its widths::

    [network]
    sizes = [784, 500, 10]
    hidden = "tanh"              # activation of the hidden layers
    output = "sigmoid"           # and of the output layer
    loss = "bce"
    [network.layer]              # any field of `neurofa.Layer`, for every layer
    dropout = 0.1
    [network.output_layer]       # the same for the last layer alone
    init = "zeros"

or by ``inputs`` and a ``[[network.layers]]`` table for each layer, in which case ``[network.layer]`` and
``[network.output_layer]`` hold defaults and a layer's own keys win. Giving both is refused.

``[rules.NAME.training]``, ``[rules.NAME.network]`` and ``[rules.NAME.perturbation]`` hold what differs
for one rule. In the first, keys replace those of ``[training]``. In the second, ``layer``,
``output_layer`` and ``layers`` (one table for each layer) are laid, in this order, over the finished layers
of ``[network]``. Names of rules are checked where the rules are known.
"""

import dataclasses
import hashlib
import json
import os
import tomllib
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, NoReturn, TypeVar, cast

from ..spec import DataSpec, InputError, Layer, Model, Network, Override, Perturbation, Training
from ..spec.errors import require_choice
from ..spec.network import ACTIVATIONS

SUFFIX = ".toml"
TOP_KEYS = ("title", "source", "network", "training", "data", "rules")
NETWORK_KEYS = ("sizes", "hidden", "output", "inputs", "layers", "layer", "output_layer", "loss", "targets", "task")
SHORTHAND = ("sizes", "hidden", "output")
EXPLICIT = ("inputs", "layers")
RULE_NETWORK_KEYS = ("hidden", "output", "layer", "output_layer", "layers", "loss", "targets", "task")
EXPECTED = {  # by the first word of pydantic's error types
    "int": "a whole number",
    "float": "a number",
    "string": "a string",
    "bool": "true or false",
    "tuple": "a list",
    "dataclass": "a table",
}

Table = dict[str, Any]
Keys = tuple[str | int, ...]
Spec = TypeVar("Spec")


def models_folder() -> Path:
    """The folder of the bundled models: inside an installed package, beside the package in a source tree."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "models"
    return inside if inside.is_dir() else package.parent / "models"


def bundled_models() -> list[str]:
    """Names of the bundled models, sorted; `load_model` takes each of them."""
    return sorted(path.name.removesuffix(SUFFIX) for path in models_folder().glob(f"*{SUFFIX}"))


def load_model(path_or_name: str | os.PathLike[str]) -> Model:
    """Read a model from a TOML file, or a bundled one by its name.

    Parameters
    ----------
    path_or_name
        The path of a file, or a name of `bundled_models` such as ``"digits"``.

    Returns
    -------
    Model
        Network, training protocol, data and each rule's own settings.

    Raises
    ------
    InputError
        In one line: the file, the dotted key, what is wrong with it and what is allowed.
    """
    path = _locate(path_or_name)
    where = _Where(str(path_or_name))
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{where.label}: not valid TOML: {_line(error)}") from None
    except UnicodeDecodeError:
        raise InputError(f"{where.label}: not a text file in UTF-8; give a model in TOML") from None
    except OSError as error:
        raise InputError(f"{where.label}: cannot be read: {error.strerror}") from None
    return _model(table, where)


def dump_model(model: Model) -> str:
    """Every field of a model as canonical JSON: keys sorted, no spaces, the same text for equal models."""
    return _canonical(model)


def spec_hash(*objects: Any) -> str:
    """SHA-256, in hexadecimal, of the canonical JSON of descriptions.

    Parameters
    ----------
    objects
        Dataclasses of `neurofa.spec`, numbers, strings, mappings and sequences of them.

    Examples
    --------
    >>> spec_hash(Network.dense((4, 3, 2)), 0) == spec_hash(Network.dense((4, 3, 2)), 1)
    False
    """
    return hashlib.sha256(_canonical(list(objects)).encode()).hexdigest()


def _canonical(value: Any) -> str:
    def plain(item: Any) -> Any:
        if dataclasses.is_dataclass(item) and not isinstance(item, type):
            return dataclasses.asdict(item)
        if isinstance(item, Mapping):
            return dict(item)
        if hasattr(item, "tolist"):  # arrays and scalars of NumPy
            return item.tolist()
        if isinstance(item, os.PathLike):
            return os.fspath(item)
        raise TypeError(f"{type(item).__name__} is no part of a description")

    return json.dumps(value, default=plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _locate(path_or_name: str | os.PathLike[str]) -> Path:
    if not isinstance(path_or_name, str | os.PathLike):
        raise InputError(f"a model is given by a path or a name, not by {path_or_name!r}")
    text = os.fspath(path_or_name)
    path = Path(text).expanduser()
    stem = path.name.removesuffix(SUFFIX)
    bundled = models_folder() / f"{stem}{SUFFIX}"
    bare = text == path.name and stem != ""
    if bare and text == stem and os.path.isfile(bundled):  # before the path: a folder `digits` must not hide the model
        return bundled
    if os.path.isdir(path):  # unlike the methods of Path, says no to a name that cannot be one
        raise InputError(f"{text}: is a folder; give a model's TOML file or the name of a bundled model")
    if os.path.isfile(path):
        return path
    if bare and os.path.isfile(bundled):
        return bundled
    near = get_close_matches(stem, bundled_models(), n=3, cutoff=0.7)
    hint = f"did you mean the bundled {' or '.join(map(repr, near))}? " if near else ""
    raise InputError(f"{text}: no such file and no bundled model of that name; {hint}see `neurofa models`")


@dataclasses.dataclass(frozen=True)
class _Where:
    """A file in error messages, by the name that the user gave."""

    label: str

    def fail(self, key: str, message: object) -> NoReturn:
        raise InputError(f"{self.label}: {key}: {_line(message)}")

    def call(self, key: str, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function that may raise `InputError`, with the key put in front of its message."""
        try:
            return function(*args)
        except InputError as error:
            self.fail(key, error)

    def table(self, value: Any, key: str, allowed: Iterable[str] | None = None) -> Table:
        """`value`, if it is a table that has no keys but the allowed ones."""
        if not isinstance(value, dict):
            self.fail(key, f"must be a table, not {_shown(value)}")
        for name in value if allowed is not None else ():
            if name not in (names := list(allowed or ())):
                self.fail(f"{key}.{name}" if key else name, _unknown(name, names))
        return value


def _line(message: object) -> str:
    return " ".join(str(message).split())


def _unknown(name: str, allowed: list[str]) -> str:
    near = get_close_matches(name, allowed, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"unknown key{hint}; allowed: {', '.join(allowed)}"


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _model(table: Table, where: _Where) -> Model:
    where.table(table, "", TOP_KEYS)
    for name in ("title", "source"):
        if not isinstance(table.get(name, ""), str):
            where.fail(name, f"must be a string, not {_shown(table[name])}")
    if "network" not in table:
        where.fail("network", "is missing; give a table [network] with sizes, hidden, output and loss")
    base = _network_fields(table["network"], where)
    network = _validate(Network, base, "network", where)
    settings = where.table(table.get("training", {}), "training")
    training = _validate(Training, settings, "training", where)
    where.call("training.learning_rate", training.rates, len(network.layers))
    rules = {}
    readers: dict[str, tuple[Callable[..., Any], Table]] = {
        "network": (_rule_network, base),
        "training": (_rule_training, settings),
        "perturbation": (_rule_perturbation, {}),
    }
    for name, own in where.table(table.get("rules", {}), "rules").items():
        key = f"rules.{name}"
        parts = {}
        for part, delta in where.table(own, key, readers).items():
            read, shared = readers[part]
            parts[part] = read(shared, delta, f"{key}.{part}", where)
        rules[name] = Override(**parts)
        where.call(f"{key}.training.learning_rate", parts.get("training", training).rates, len(network.layers))
    data = _validate(DataSpec, table.get("data", {}), "data", where)
    return Model(network, training, data, rules, table.get("title", ""), table.get("source", ""))


def _network_fields(network: Any, where: _Where) -> Table:
    """The fields of `Network`, layers as tables, from either way to write [network]."""
    where.table(network, "network", NETWORK_KEYS)
    short = [name for name in SHORTHAND if name in network]
    explicit = [name for name in EXPLICIT if name in network]
    if short and explicit:
        remedy = "give either sizes, hidden and output, or inputs and layers"
        where.fail(f"network.{short[0]}", f"cannot stand beside {explicit[0]}; {remedy}")
    hidden = ("units", "activation") if short else ("units",)
    common = _partial_layer(network.get("layer", {}), "network.layer", where, hidden)
    last = _partial_layer(network.get("output_layer", {}), "network.output_layer", where, hidden)
    if explicit:
        for name, kind in (("inputs", "a whole number"), ("layers", "a list of [[network.layers]] tables")):
            if name not in network:
                where.fail(f"network.{name}", f"is missing; it must be {kind}")
        tables = network["layers"]
        if not isinstance(tables, list):
            where.fail("network.layers", f"must be a list of [[network.layers]] tables, not {_shown(tables)}")
        layers = []
        for index, own in enumerate(tables):
            key = f"network.layers[{index}]"
            merged = common | (last if index == len(tables) - 1 else {}) | where.table(own, key)
            _validate(Layer, merged, key, where)
            layers.append(merged)
        inputs = network["inputs"]
    else:
        sizes = network.get("sizes")
        if sizes is None:
            where.fail("network.sizes", "is missing; give widths from input to output: sizes = [784, 500, 10]")
        if not (isinstance(sizes, list) and len(sizes) >= 2 and all(type(n) is int and n >= 1 for n in sizes)):
            where.fail("network.sizes", f"must be a list of at least two whole numbers from 1, not {_shown(sizes)}")
        inputs, widths = sizes[0], sizes[1:]
        layers = [{"units": n, "activation": _activation(network, "hidden", "tanh", where)} | common for n in widths]
        layers[-1] |= {"activation": _activation(network, "output", "sigmoid", where)} | last
    rest = {name: network[name] for name in ("loss", "targets", "task") if name in network}
    return {"inputs": inputs, "layers": layers, **rest}


def _activation(table: Table, name: str, default: str, where: _Where, key: str = "network") -> str:
    value = table.get(name, default)
    where.call(f"{key}.{name}", require_choice, "activation", value, ACTIVATIONS)
    return str(value)


def _partial_layer(given: Any, key: str, where: _Where, hidden: tuple[str, ...] = ("units",)) -> Table:
    """A table with some fields of `Layer`, checked; `hidden` are fields that it must not have."""
    names = [field.name for field in dataclasses.fields(Layer) if field.name not in hidden]
    table = where.table(given, key, names)
    _validate(Layer, {"units": 1} | table, key, where)
    return table


def _rule_network(base: Table, delta: Any, key: str, where: _Where) -> Network:
    """The base network with one rule's own settings laid over it."""
    where.table(delta, key, RULE_NETWORK_KEYS)
    layers = [dict(layer) for layer in base["layers"]]
    if "hidden" in delta:
        activation = _activation(delta, "hidden", "", where, key)
        layers[:-1] = [layer | {"activation": activation} for layer in layers[:-1]]
    if "output" in delta:
        layers[-1]["activation"] = _activation(delta, "output", "", where, key)
    common = _partial_layer(delta.get("layer", {}), f"{key}.layer", where)
    layers = [layer | common for layer in layers]
    layers[-1] |= _partial_layer(delta.get("output_layer", {}), f"{key}.output_layer", where)
    if "layers" in delta:
        own = delta["layers"]
        if not (isinstance(own, list) and len(own) == len(layers)):
            where.fail(f"{key}.layers", f"must be a list of {len(layers)} tables; {{}} leaves a layer as it is")
        own = [_partial_layer(table, f"{key}.layers[{index}]", where) for index, table in enumerate(own)]
        layers = [layer | table for layer, table in zip(layers, own, strict=True)]
    rest = {name: delta[name] for name in ("loss", "targets", "task") if name in delta}
    return _validate(Network, base | {"layers": layers} | rest, key, where)


def _rule_training(base: Table, delta: Any, key: str, where: _Where) -> Training:
    """The base protocol with one rule's own settings in place; a table without `kind` adds to the base's."""
    merged = base | where.table(delta, key)
    for name in ("optimiser", "schedule"):
        own, shared = delta.get(name), base.get(name)
        if isinstance(own, dict) and "kind" not in own:
            merged[name] = ({"kind": shared} if isinstance(shared, str) else shared or {}) | own
    return _validate(Training, merged, key, where)


def _rule_perturbation(base: Table, delta: Any, key: str, where: _Where) -> Perturbation:
    return _validate(Perturbation, base | where.table(delta, key), key, where)


@cache
def _adapter(cls: type) -> Any:
    from pydantic import TypeAdapter  # dear to import, and of no use before a file is read

    return TypeAdapter(cls)


def _validate(cls: type[Spec], table: Any, key: str, where: _Where) -> Spec:
    """An instance of a dataclass of the spec from a table, or the first thing that is wrong with it."""
    from pydantic import ValidationError

    where.table(table, key)
    try:  # JSON's strict mode takes lists for tuples and tables for dataclasses, but no bool for a number
        return cast(Spec, _adapter(cast(type, cls)).validate_json(json.dumps(table, default=str), strict=True))
    except ValidationError as error:
        problems = [(_real_path(e["loc"], table, e["type"]), e) for e in error.errors(include_url=False)]
    return _explain(cls, table, key, where, problems)


def _explain(cls: type, table: Table, key: str, where: _Where, problems: list[tuple[Keys, Any]]) -> NoReturn:
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
        where.fail(_dotted(key, path[:1]), f"has the wrong number of values: {_shown(value)}")
    expected = dict.fromkeys(EXPECTED.get(kind.split("_")[0], kind.replace("_", " ")) for kind in kinds)
    where.fail(_dotted(key, path), f"must be {' or '.join(expected)}, not {_shown(value)}")


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
