"""What the library is given, as it is used from then on; everything that is no such thing ends in a line."""

import re
from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from .engines import MODES
from .hardware.profiles import as_profile
from .io.data import Data, as_array
from .protocol import check_data
from .rules import PRESETS
from .spec import Hardware, Model, Network, Rule, Spiking
from .spec.errors import InputError, described, require, require_choice, require_kind

if TYPE_CHECKING:
    from .io.augment import Augmenter


def as_batch(net: Network, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A few samples as engines take them: x (n, n_inputs), labels (n,) int64 or targets (n, n_outputs).

    Raises
    ------
    InputError
        If there are none, or they do not fit the network.
    """
    x, y = np.atleast_1d(as_array(x, "x")), np.atleast_1d(as_array(y, "y"))
    x = x[np.newaxis] if x.shape == (net.inputs,) and len(y) == 1 else x  # one sample
    require(len(x) > 0, "x has no samples; give at least one")
    require(len(x) == len(y), f"x has {len(x)} samples and y has {len(y)}; give one y for each x")
    try:
        batch = Data(x_train=x, y_train=y, x_test=x, y_test=y, name="the batch", task=net.task, n_outputs=_classes(net))
    except InputError as error:  # which speaks of the parts of a data set
        raise InputError(re.sub(r"([xy])_(train|test)( of the batch)?", r"\1", str(error))) from None
    require(
        batch.features == net.inputs,
        f"x has {batch.features} columns and the network {net.inputs} inputs; give x of shape (n, {net.inputs})",
    )
    check_data(net, batch)
    targets = batch.y_train if net.task == "classification" else y.reshape(len(y), -1)
    return x.reshape(len(x), -1), targets


def _classes(net: Network) -> int:
    """Classes that a network's outputs tell apart: two for a single output."""
    n_out = net.layers[-1].units
    return max(2, n_out) if net.task == "classification" else n_out


def require_mode(mode: str) -> None:
    """Refuse a mode that this version does not have."""
    require_choice("mode", mode, MODES)


def require_kinds(net: object, rule: object) -> None:
    """Refuse names where the things themselves are needed, and say how to get them."""
    require(isinstance(net, Model | Network), f"net is {described(net)}; give nf.load_model(NAME), or an nf.Network")
    _require_rule(rule)


def _require_rule(rule: object) -> None:
    require_kind("rule", rule, Rule, hint="a preset such as nf.rules.DFA, or an nf.Rule")


def as_rules(rules: Rule | Sequence[Rule]) -> list[Rule]:
    """One rule or several, with different names."""
    listed = isinstance(rules, Iterable) and not isinstance(rules, str)
    several: list[Any] = list(rules) if listed else [rules]  # type: ignore[arg-type]
    for rule in several:
        _require_rule(rule)
    names = [rule.name for rule in several]
    require(len(set(names)) == len(names), f"two rules have the same name in {', '.join(names)}; rename one")
    require(len(several) > 0, "there is nothing to compare; give at least one rule")
    return several


def as_seeds(seeds: int | Sequence[int]) -> list[int]:
    """Seeds from how many there are, counted from 0, or as they are listed."""
    several = range(seeds) if isinstance(seeds, Integral) else seeds
    listed = list(several) if isinstance(several, Iterable) else [several]
    whole = all(isinstance(seed, Integral) for seed in listed)
    require(whole and len(set(listed)) == len(listed), f"seeds are {described(seeds)}; give whole numbers, each once")
    require(len(listed) > 0, "there is nothing to compare; give at least one seed")
    return [int(seed) for seed in listed]


def require_data(data: object) -> None:
    """Refuse names where data are needed, and say how to get them."""
    require_kind("data", data, Data, hint="nf.load_data(NAME), or an nf.Data")


def require_spikes(mode: str, spiking: Spiking | None) -> None:
    """Refuse settings of spiking mode where nothing spikes."""
    require_kind("spiking", spiking, Spiking, optional=True)
    require(
        spiking is None or mode != "rate",
        "spiking says how a network runs on spikes, and mode 'rate' has none; give mode='spiking', or leave it out",
    )


def as_hardware(hardware: Hardware | str | None, mode: str, epochs: int = 0) -> Hardware | None:
    """What a network is put under; a name is that of a profile, or a file."""
    if hardware is None:
        return None
    chip = as_profile(hardware)
    stores = chip.weights is not None or chip.feedback is not None
    require(
        stores or mode != "rate",
        f"hardware {chip.name!r} has no levels for weights or feedback, and in rate mode nothing else acts; use mode "
        "'spiking'",
    )
    require(
        epochs == 0 or chip.learning.on_chip,
        f"hardware {chip.name!r} has no plasticity of its own; train in full precision, then run the result on it (in "
        "Python: nf.train(..., params=run.params, epochs=0))",
    )
    return chip


def require_known_rules(model: Model, rule: Rule) -> None:
    """Refuse a model with settings for a rule that does not exist: they would never be used."""
    for name in model.rules:
        if name.count("/") != 2:
            require_choice(f"rule of the model {model.title!r}:", name, sorted({*PRESETS, rule.name}))


def as_augmentation(given: "str | tuple[str, ...] | Augmenter") -> "tuple[str, ...] | Augmenter":
    """Names of augmentations, of which a single one may stand alone, or a function."""
    names = (given,) if isinstance(given, str) else given
    if callable(names) or (isinstance(names, Sequence) and all(isinstance(name, str) for name in names)):
        return names
    raise InputError(f"augment is {described(given)}; give names, or a function")
