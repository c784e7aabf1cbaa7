"""Models from TOML files: reading, checking, naming, and a hash that tells two descriptions apart.

A file has the keys ``title`` and ``source`` and the tables ``[network]``, ``[training]``, ``[spiking]``,
``[data]`` and ``[rules.NAME]``. A network is given by its widths::

    [network]
    sizes = [784, 500, 10]
    hidden = "tanh"              # activation of the hidden layers: one for all, or a list
    output = "sigmoid"           # and of the output layer
    loss = "bce"
    [network.layer]              # any field of `neurofa.Layer`, for every layer
    dropout = 0.1
    [network.output_layer]       # the same for the last layer alone
    init = "zeros"

or by ``inputs`` and a ``[[network.layers]]`` table for each layer, in which case ``[network.layer]`` and
``[network.output_layer]`` hold defaults and a layer's own keys win. Giving both is refused.

Spiking mode has the fields of `neurofa.Spiking`; what a file leaves out keeps its default, those of
``[spiking.training]`` being the defaults of `Spiking` and not of `Training`::

    [spiking]
    sample_ms = 60
    tau_mod_ms = inf             # TOML's infinity
    [spiking.encoder]
    max_rate_hz = 500
    [spiking.neuron]             # also: output_neuron, post, homeostasis
    tau_m_ms = 10
    [spiking.training]
    learning_rate = [1e-4, 5e-5]
    optimiser = { weight_decay = 1e-6 }

``[rules.NAME.training]``, ``[rules.NAME.network]``, ``[rules.NAME.perturbation]`` and ``[rules.NAME.spiking]``
hold what differs for one rule. In the first, keys replace those of ``[training]``; in the last, those of
``[spiking]``, and those of a table in it, such as ``neuron``, the keys of that table. In the second, ``layer``,
``output_layer`` and ``layers`` (one table for each layer) are laid, in this order, over the finished layers
of ``[network]``. An ``optimiser`` or ``schedule`` without ``kind`` adds to the shared one. Names of rules are
checked where the rules are known.
"""

import dataclasses
import hashlib
import json
import math
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ..spec import DataSpec, InputError, Layer, Model, Network, Override, Perturbation, Spiking, Training
from ..spec.errors import nearest_hint, require_choice
from ..spec.network import ACTIVATIONS
from .validation import Table, Where, overlaid, read_toml, shown, validate

SUFFIX = ".toml"
TOP_KEYS = ("title", "source", "network", "training", "spiking", "data", "rules")
NETWORK_KEYS = ("sizes", "hidden", "output", "inputs", "layers", "layer", "output_layer", "loss", "targets", "task")
SHORTHAND = ("sizes", "hidden", "output")
EXPLICIT = ("inputs", "layers")
RULE_NETWORK_KEYS = ("hidden", "output", "layer", "output_layer", "layers", "loss", "targets", "task")


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
        Network, training protocol, data, spiking mode and each rule's own settings.

    Raises
    ------
    InputError
        In one line: the file, the dotted key, what is wrong with it and what is allowed.
    """
    return read_model(path_or_name, Where(str(path_or_name)))


def model_table(path_or_name: str | os.PathLike[str]) -> Table:
    """The table in a model's file, as it stands there."""
    return read_toml(_locate(path_or_name), Where(str(path_or_name)), "give a model in TOML")


def read_model(
    path_or_name: str | os.PathLike[str], where: Where, change: Callable[[Table], Table] | None = None
) -> Model:
    """The model of a file's table, once it is changed; `where` is what messages name."""
    path, table = _locate(path_or_name), model_table(path_or_name)
    model = _model(table if change is None else change(table), where)
    beside = path.parent / model.data.name  # a file of data may be named as the model's folder has it
    if model.data.name.endswith(".npz") and not os.path.isfile(model.data.name) and os.path.isfile(beside):
        model = dataclasses.replace(model, data=dataclasses.replace(model.data, name=str(beside)))
    return model


def dump_model(model: Model) -> str:
    """Every field of a model as canonical JSON: keys sorted, no spaces, the same text for equal models.

    Infinite numbers, which JSON does not have, are the strings ``"inf"`` and ``"-inf"``.
    """
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
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _plain(item: Any) -> Any:
    """A description in the terms of JSON."""
    if dataclasses.is_dataclass(item) and not isinstance(item, type):
        return {field.name: _plain(getattr(item, field.name)) for field in dataclasses.fields(item)}
    if isinstance(item, Mapping):
        return {name: _plain(value) for name, value in item.items()}
    if hasattr(item, "tolist"):  # arrays and scalars of NumPy
        return _plain(item.tolist())
    if isinstance(item, list | tuple):
        return [_plain(value) for value in item]
    if isinstance(item, os.PathLike):
        return os.fspath(item)
    if isinstance(item, float) and not math.isfinite(item):
        return str(item)  # "inf", as in TOML
    if item is None or isinstance(item, str | int | float):
        return item
    raise TypeError(f"{type(item).__name__} is no part of a description")


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
    hint = nearest_hint(stem, bundled_models(), most=3, likeness=0.7)  # their long names are much alike
    raise InputError(f"{text}: no such file and no bundled model of that name{hint}; see `neurofa models`")


def _model(table: Table, where: Where) -> Model:
    where.table(table, "", TOP_KEYS)
    for name in ("title", "source"):
        if not isinstance(table.get(name, ""), str):
            where.fail(name, f"must be a string, not {shown(table[name])}")
    if "network" not in table:
        where.fail("network", "is missing; give a table [network] with sizes, hidden, output and loss")
    base = _network_fields(table["network"], where)
    network = validate(Network, base, "network", where)
    settings = where.table(table.get("training", {}), "training")
    training = validate(Training, settings, "training", where)
    n_layers = len(network.layers)
    where.call("training.learning_rate", training.rates, n_layers)
    on_spikes = overlaid(_spiking_defaults(), where.table(table.get("spiking", {}), "spiking"))
    spiking = _spiking(n_layers, on_spikes, {}, "spiking", where)
    rules = {}
    readers: dict[str, tuple[Callable[..., Any], Table]] = {
        "network": (_rule_network, base),
        "training": (_rule_training, settings),
        "perturbation": (_rule_perturbation, {}),
        "spiking": (partial(_spiking, n_layers), on_spikes),
    }
    for name, own in where.table(table.get("rules", {}), "rules").items():
        key = f"rules.{name}"
        parts = {}
        for part, delta in where.table(own, key, readers).items():
            read, shared = readers[part]
            parts[part] = read(shared, delta, f"{key}.{part}", where)
        rules[name] = Override(**parts)
        where.call(f"{key}.training.learning_rate", parts.get("training", training).rates, n_layers)
    data = validate(DataSpec, table.get("data", {}), "data", where)
    return Model(network, training, data, rules, table.get("title", ""), table.get("source", ""), spiking)


def _network_fields(network: Any, where: Where) -> Table:
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
            where.fail("network.layers", f"must be a list of [[network.layers]] tables, not {shown(tables)}")
        layers = []
        for index, own in enumerate(tables):
            key = f"network.layers[{index}]"
            layer = common | (last if index == len(tables) - 1 else {}) | where.table(own, key)
            validate(Layer, layer, key, where)
            layers.append(layer)
        inputs = network["inputs"]
    else:
        sizes = network.get("sizes")
        if sizes is None:
            where.fail("network.sizes", "is missing; give widths from input to output: sizes = [784, 500, 10]")
        if not (isinstance(sizes, list) and len(sizes) >= 2 and all(type(n) is int and n >= 1 for n in sizes)):
            where.fail("network.sizes", f"must be a list of at least two whole numbers from 1, not {shown(sizes)}")
        inputs, widths = sizes[0], sizes[1:]
        own = [*_hidden(network, "tanh", len(widths) - 1, where), ""]
        layers = [{"units": n, "activation": name} | common for n, name in zip(widths, own, strict=True)]
        layers[-1] |= {"activation": _activation(network, "output", "sigmoid", where)} | last
    rest = {name: network[name] for name in ("loss", "targets", "task") if name in network}
    return {"inputs": inputs, "layers": layers, **rest}


def _hidden(table: Table, default: str, n: int, where: Where, key: str = "network") -> list[str]:
    """Activations of `n` hidden layers, of which the table has one for all or one for each."""
    given = table.get("hidden", default)
    if not isinstance(given, list):
        return [_activation(table, "hidden", default, where, key)] * n
    if len(given) != n:
        where.fail(f"{key}.hidden", f"has {len(given)} activations for {n} hidden layers; give one, or as many")
    for name in given:
        where.call(f"{key}.hidden", require_choice, "activation", name, ACTIVATIONS)
    return given


def _activation(table: Table, name: str, default: str, where: Where, key: str = "network") -> str:
    value = table.get(name, default)
    where.call(f"{key}.{name}", require_choice, "activation", value, ACTIVATIONS)
    return str(value)


def _partial_layer(given: Any, key: str, where: Where, hidden: tuple[str, ...] = ("units",)) -> Table:
    """A table with some fields of `Layer`, checked; `hidden` are fields that it must not have."""
    names = [field.name for field in dataclasses.fields(Layer) if field.name not in hidden]
    table = where.table(given, key, names)
    validate(Layer, {"units": 1} | table, key, where)
    return table


def _rule_network(base: Table, delta: Any, key: str, where: Where) -> Network:
    """The base network with one rule's own settings laid over it."""
    where.table(delta, key, RULE_NETWORK_KEYS)
    layers = [dict(layer) for layer in base["layers"]]
    if "hidden" in delta:
        names = _hidden(delta, "", len(layers) - 1, where, key)
        layers[:-1] = [layer | {"activation": name} for layer, name in zip(layers[:-1], names, strict=True)]
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
    return validate(Network, base | {"layers": layers} | rest, key, where)


def _rule_training(base: Table, delta: Any, key: str, where: Where) -> Training:
    return validate(Training, overlaid(base, where.table(delta, key)), key, where)


def _rule_perturbation(base: Table, delta: Any, key: str, where: Where) -> Perturbation:
    return validate(Perturbation, base | where.table(delta, key), key, where)


def _spiking_defaults() -> Table:
    """What lies under [spiking]: the protocol, whose defaults are others than those of `Training`."""
    return {"training": dataclasses.asdict(Spiking().training)}


def _spiking(n_layers: int, base: Table, delta: Any, key: str, where: Where) -> Spiking:
    """Spiking mode of a network of `n_layers`, from the base with other settings laid over it."""
    settings = overlaid(base, where.table(delta, key))
    given = settings.get("delay_ms")
    for delay in given if isinstance(given, list) else [given]:
        if isinstance(delay, float) and not math.isfinite(delay):  # is no number of ticks
            where.fail(f"{key}.delay_ms", f"must be finite, not {shown(delay)}")
    spiking = validate(Spiking, settings, key, where)
    where.call(f"{key}.training.learning_rate", spiking.training.rates, n_layers)
    where.call(f"{key}.delay_ms", spiking.delays, n_layers)
    return spiking
