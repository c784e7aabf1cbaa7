"""The published rules, a line each. A rule added here runs on every engine and is listed by `neurofa rules`."""

from collections.abc import Iterable

from ..spec import Feedback, Perturbation, Rule
from ..spec.errors import require, require_choice

LILLICRAP = "Lillicrap et al. 2016, Nat. Commun. 7:13276"
NOKLAND = "Nøkland 2016, NeurIPS 29"
FRENKEL = "Frenkel et al. 2021, Front. Neurosci. 15:629892"
LECHNER = "Lechner 2020, ICLR"
ROBERTSON = "Robertson et al. 2024"  # stored rows have this in the hash of their description
LANSDELL = "Lansdell et al. 2020, ICLR"
FIETE = "Fiete & Seung 2006, Phys. Rev. Lett. 97:048104"

# fmt: off
BP = Rule("error", "sequential", "transpose", name="bp", title="backpropagation", source="reference, non-local")
FA = Rule("error", "sequential", "random", name="fa", title="feedback alignment", source=LILLICRAP)
ADAFA = Rule("error", "sequential", "initial_transpose", name="adafa", title="adaptive FA", source=ROBERTSON)
SIGN_FA = Rule("error", "sequential", "sign_transpose", name="sign_fa", title="sign-FA", source=ROBERTSON)
DFA = Rule("error", "direct", "random", name="dfa", title="direct feedback alignment", source=NOKLAND)
SDFA = Rule("error_sign", "direct", "random", name="sdfa", title="error-sign DFA", source=FRENKEL)
DRTP = Rule("target", "direct", "random", name="drtp", title="direct random target projection", source=FRENKEL)
MDFA = Rule("error", "direct", "random_nonnegative", "monotone", name="mdfa", title="monotone DFA", source=LECHNER)
NP_FA = Rule("error", "sequential", "perturbation", perturbation=Perturbation(), name="np_fa", title="FA, B learned by node perturbation", source=LANSDELL)
NP_DFA = Rule("error", "direct", "perturbation", perturbation=Perturbation(), name="np_dfa", title="DFA, B learned by node perturbation", source=LANSDELL)
MATCHING = Rule("error", "sequential", "matching", name="matching", title="B makes W's changes", source=f"{LANSDELL}, sec. 4.2")
PSEUDO_BP = Rule("error", "sequential", Feedback("pseudoinverse", every=1), name="pseudo_bp", title="pseudobackprop", source=f"{LILLICRAP}, note 15")
NODE_PERTURBATION = Rule("loss_change", "broadcast", "none", perturbation=Perturbation(), name="node_perturbation", title="node perturbation", source=FIETE)
SHALLOW = Rule("none", "none", "none", name="shallow", title="output layer only", source="control")
# fmt: on

PRESETS: dict[str, Rule] = {rule.name: rule for rule in list(globals().values()) if isinstance(rule, Rule)}


def named(name: str) -> Rule:
    """A preset, or a rule composed of names.

    Parameters
    ----------
    name
        A key of `PRESETS`, or ``SIGNAL/ROUTE/FEEDBACK`` with the names that `neurofa.Rule` takes.

    Returns
    -------
    Rule
        A composed one is called by its composition.

    Raises
    ------
    InputError
        If there is no such preset (lists the names), or the composition makes no sense.

    Examples
    --------
    >>> named("error_sign/sequential/sign_transpose").route
    'sequential'
    """
    if name.count("/") == 2:
        signal, route, feedback = name.split("/")
        return Rule(signal, route, feedback, name=name, title="composed")
    parts = len(name.split("/"))
    require(
        parts == 1, f"rule {name!r} has {parts} parts; compose three, SIGNAL/ROUTE/FEEDBACK, as error/direct/random"
    )
    known = f"choose one of: {', '.join(PRESETS)}; or compose SIGNAL/ROUTE/FEEDBACK"
    require_choice("rule", name, PRESETS, listed_by=known)
    return PRESETS[name]


def all_named(names: Iterable[str]) -> list[Rule]:
    """Several presets or composed rules.

    Parameters
    ----------
    names
        Each as for `named`.

    Returns
    -------
    list of Rule
        In the order of the names.

    Raises
    ------
    InputError
        As `named`.
    """
    return [named(name) for name in names]
