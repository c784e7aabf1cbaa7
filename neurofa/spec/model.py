"""A model: a network with its data, its protocol in each mode, and what differs for single rules."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from .errors import require_fields, require_kind
from .network import Network
from .rule import STRICT, Perturbation, Rule
from .spiking import Spiking
from .training import DataSpec, Training


@dataclass(frozen=True)
class Override:
    """What takes the place of a model's settings for one rule; None: the settings that all rules share.

    Parameters
    ----------
    network
        The architecture.
    training
        The protocol of rate mode.
    perturbation
        The rule's injected noise, in place of its own.
    spiking
        Spiking mode, with its protocol.
    """

    network: Network | None = None
    training: Training | None = None
    perturbation: Perturbation | None = None
    spiking: Spiking | None = None

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        require_fields("override", self)


@dataclass(frozen=True, repr=False)
class Model:
    """A published architecture: network, training protocol, data, and each rule's own settings.

    Parameters
    ----------
    network, training, data
        The architecture, the protocol of rate mode and the data that all rules share.
    rules
        By rule name, what takes the place of the shared settings (such as learning rates).
    title, source
        What it is, and the paper, table or section it comes from.
    spiking
        Neurons, encoder and protocol of spiking mode.
    """

    network: Network
    training: Training = field(default_factory=Training)
    data: DataSpec = field(default_factory=DataSpec)
    rules: Mapping[str, Override] = field(default_factory=dict)
    title: str = ""
    source: str = ""
    spiking: Spiking = field(default_factory=Spiking)

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        require_fields("model", self)
        require_kind("model rules", self.rules, Mapping, hint="an nf.Override by name of rule")
        for name, own in self.rules.items():
            require_kind(f"model rules {name!r}", own, Override)

    def __repr__(self) -> str:
        named = f"{self.title!r}, " if self.title else ""
        return f"Model({named}{self.network!r}, data {self.data.name!r})"

    def for_rule(self, rule: Rule) -> tuple[Network, Training, Rule]:
        """Network, training and rule with the rule's own settings of this model in place.

        Parameters
        ----------
        rule
            Known by its name; a rule of which `rules` has nothing gets what all share, and is itself unchanged.
        """
        own = self.rules.get(rule.name, Override())
        if own.perturbation is not None:
            rule = replace(rule, perturbation=own.perturbation)
        return own.network or self.network, own.training or self.training, rule

    def spiking_for(self, rule: Rule) -> Spiking:
        """How this model runs on spikes under a rule.

        Parameters
        ----------
        rule
            Known by its name.
        """
        return self.rules.get(rule.name, Override()).spiking or self.spiking


def settings_for(
    net: Model | Network, rule: Rule, spiking: Spiking | None = None
) -> tuple[Network, Training, Rule, Spiking]:
    """What is run: a model's own settings for a rule, or a network alone.

    Parameters
    ----------
    net
        A model; or a network, with the usual settings.
    rule
        What it learns by.
    spiking
        Takes the place of the model's.

    Returns
    -------
    tuple
        Network, protocol of rate mode, rule and spiking mode.
    """
    model = net if isinstance(net, Model) else Model(net)
    network, training, own = model.for_rule(rule)
    return network, training, own, spiking or model.spiking_for(rule)
