"""Runs: train a network by a rule, or look at one update of it."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .arguments import (
    as_augmentation,
    as_batch,
    as_hardware,
    require_data,
    require_kinds,
    require_known_rules,
    require_mode,
    require_spikes,
)
from .engines import MODES, new_engine
from .hardware import constrain
from .history import final_note
from .io.atomic import remove
from .io.data import Data
from .io.results import environment
from .protocol import copied
from .rules import Params, freeze, without_feedback
from .spec import Hardware, Model, Network, Rule, Spiking, Training, settings_for
from .spec.errors import InputError, described, require, require_kind
from .trainer import CHECKPOINT, CURVES, RESULTS, Diverged, Progress, Trainer, threads_of

if TYPE_CHECKING:
    import xarray

    from .io.augment import Augmenter

__all__ = ["CHECKPOINT", "MODES", "Diverged", "Progress", "Run", "train", "updates"]


@dataclass(frozen=True, repr=False)
class Run:
    """What a training run leaves.

    Parameters
    ----------
    params
        ``layers.l.W``, ``.b``, ``.B`` at the end (of the best epoch with early stopping).
    history
        Losses, errors, learning rates by epoch, and what was probed; see `neurofa.train`.
    test_error
        Fraction of test samples classified wrongly (the test loss for a regression), mean over the last
        `Training.report_last` epochs; after the last epoch alone if there are fewer; that of the best epoch with early
        stopping. ``history.attrs["final"]`` says which.
    seconds
        Wall time of training and evaluation, earlier parts of a resumed run included, but not that of probing.
    synops_per_sample
        Synaptic operations per training sample, forward, feedback and update: multiply-accumulates in rate mode,
        counted events in spiking mode.
    rule, mode, seed
        What was run.
    hardware
        Name of the chip or format; empty for full precision.
    operations
        Of `synops_per_sample` in spiking mode: forward, feedback and update, shape (3,), as
        ``nf.hardware.costs(plan, chip, operations)`` takes them; None where none were counted.
    """

    params: Params
    history: "xarray.Dataset"
    test_error: float
    seconds: float
    synops_per_sample: float
    rule: Rule
    mode: str
    seed: int
    hardware: str = ""
    operations: np.ndarray | None = None

    def __repr__(self) -> str:
        under = f" on {self.hardware}" if self.hardware else ""
        of = self.history.attrs.get("final") or "untrained"
        return (
            f"Run({self.rule.name or 'a rule'} in {self.mode} mode{under}, seed {self.seed}: test error "
            f"{self.test_error:.4g}, {of} of {self.history.sizes['epoch']}, {self.seconds:.1f} s)"
        )


def updates(
    net: Network | Model,
    rule: Rule,
    params: Mapping[str, np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    mode: str = "rate",
    seed: int = 0,
    *,
    spiking: Spiking | None = None,
    hardware: Hardware | str | None = None,
) -> dict[str, np.ndarray]:
    """A rule's raw update for one batch, before any optimiser: a pure function.

    Parameters
    ----------
    net
        The network, or a model that holds one.
    rule
        The learning rule.
    params
        ``layers.l.W`` (n_pre, n_post) and, where the layer has a bias, ``layers.l.b`` (n_post,) of every layer.
        Feedback ``layers.l.B`` of a hidden layer l has shape (n_source, n_post): the source is layer l + 1 on
        a sequential route and the output layer on a direct one. B may be left out where it follows from W
        (transpose, initial transpose, sign transpose, pseudoinverse); W transposed is used for ``transpose``
        whatever is given. If the shape of a B says that it is of another route, all B's are left aside as if they had
        not been given.
    x, y
        Inputs (n_samples, n_inputs) and labels (n_samples,), or targets (n_samples, n_outputs) of a regression.
    mode
        ``rate`` or ``spiking``.
    seed
        Of the injected noise, for rules that need it, and of the encoder.
    spiking
        In spiking mode, takes the place of the model's.
    hardware
        A profile of `neurofa hardware`, or an `nf.Hardware`; parameters are then rounded to the nearest levels.

    Returns
    -------
    dict
        ``layers.l.dW`` and ``layers.l.db`` in the gradient's place (W <- W - eta dW), averaged over the
        batch; ``layers.l.M`` (n_samples, n_post), the modulatory signal with its 1/n_samples; for
        feedback learned by the gradient estimator also ``layers.l.dB``. In float64 if all params are
        float64, else in float32. In spiking mode what docs/spiking.md says: weights do not change while
        samples are shown, and dW and M are in units of error events.

    Raises
    ------
    InputError
        If a parameter is missing or has the wrong shape, x or y do not fit the network, or rule and network do
        not go together.

    Examples
    --------
    >>> import numpy as np
    >>> import neurofa as nf
    >>> net, rng = nf.Network.dense((4, 3, 2)), np.random.default_rng(0)
    >>> params = {"layers.0.W": rng.normal(size=(4, 3)), "layers.0.b": np.zeros(3),
    ...           "layers.0.B": rng.normal(size=(2, 3)),
    ...           "layers.1.W": rng.normal(size=(3, 2)), "layers.1.b": np.zeros(2)}
    >>> update = nf.updates(net, nf.rules.DFA, params, rng.normal(size=(5, 4)), np.array([0, 1, 1, 0, 1]))
    >>> update["layers.0.dW"].shape
    (4, 3)
    """
    require_mode(mode)
    require(
        mode != "brian", "mode 'brian' trains and gives no single updates; use mode 'spiking', which agrees with it"
    )
    require_kinds(net, rule)
    require_spikes(mode, spiking)
    network, _, rule, chosen = settings_for(net, rule, spiking)
    x, y = as_batch(network, x, y)
    chosen = replace(chosen, reset_state=True, homeostasis=None)
    plan, chip = freeze(network, rule, params), as_hardware(hardware, mode)
    if chip is not None:
        plan = constrain(plan, None if mode == "rate" else chosen, chip)
    engine = new_engine(mode, plan, chosen, batch_size=len(x), seed=seed, threads=1)
    return engine.updates(x, y)


def train(
    net: Network | Model,
    rule: Rule,
    data: Data,
    mode: str = "rate",
    seed: int = 0,
    *,
    epochs: int | None = None,
    training: Training | None = None,
    spiking: Spiking | None = None,
    hardware: Hardware | str | None = None,
    params: Mapping[str, np.ndarray] | None = None,
    probe_every: int | None = None,
    augment: "str | tuple[str, ...] | Augmenter | None" = None,
    threads: int | None = None,
    brian_target: str = "auto",
    out: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: Callable[[Progress], None] | None = None,
    each_epoch: Callable[[Progress], bool | None] | None = None,
) -> Run:
    """Train a network by a rule.

    Parameters
    ----------
    net
        A model (its own settings for this rule are put in place) or a bare network, trained with
        `training`.
    rule
        A preset of `neurofa.rules`, or any `Rule`.
    data
        From `neurofa.load_data`, or a `Data` of your own.
    mode
        ``rate``, ``spiking``, or ``brian``: the same network as a Brian2 script, run in Brian2 (slowly).
    seed
        The one seed: initial W and b are the same for every rule, the order of samples too.
    epochs
        Takes the place of the protocol's number of epochs.
    training
        Takes the place of the model's protocol (in spiking mode: of the one in `Spiking.training`).
    spiking
        In spiking mode, takes the place of how the model runs on spikes.
    hardware
        A profile of `neurofa hardware` (a name or a file), or an `nf.Hardware`: the network learns under its
        constraints, as docs/hardware.md says.
    params
        Initial parameters that take the place of drawn ones; keys and shapes as in `neurofa.updates`. Those that
        another run left will do; the optimiser and the order of samples begin anew. If the shape of a B says that it is
        of a run on another route, all B's are left aside as if they had not been given: they follow from W, or are
        drawn from the seed. Otherwise a B that follows from W must do so, but for what is computed anew from several W,
        or as a pseudoinverse: it is used as it is until it is renewed.
    probe_every
        Updates between two probes; after each epoch if None, never if 0. One is made before training, too.
    augment
        Takes the place of the model's augmentation: names of `DataSpec.augment`, or a function (x, rng) that
        returns altered training inputs of the same shape (n, features), called before each epoch, such as
        ``gaussian_noise(0.1)`` after ``from neurofa.io.augment import gaussian_noise``.
    threads
        Numba threads; results are the same bit for bit for the same number. A run that is resumed has as many as
        before, unless given.
    brian_target
        Of Brian2's code generation in mode ``brian``: ``numpy``, ``cython``, or ``auto``, which Brian2 chooses.
    out
        Folder for checkpoints (every 20 seconds, at the end, and on Ctrl-C).
    resume
        Go on from the checkpoint in `out`. An `augment` of one's own is known by its name: a lambda has none, and is
        refused.
    overwrite
        Start afresh although `out` holds a checkpoint; refused otherwise.
    progress
        Called with a `Progress` at the beginning, every 500 updates or earlier, and before and after the tests that end
        an epoch.
    each_epoch
        Called with a `Progress` once after each epoch: ``epoch``, ``train_loss``, ``train_error``, ``test_loss``,
        ``test_error``, ``validation_error``, and ``params``, the parameters at that time, to be copied by who wants to
        follow them. Returns True to end the run there, which `resume` takes up again; nothing, or False, to go on.

    Returns
    -------
    Run
        Its `history` has dims epoch, layer, probe and bin: ``train_loss``, ``train_error`` (before each
        update), ``test_loss``, ``test_error``, ``validation_loss``, ``validation_error``, ``learning_rate``;
        probed: ``alignment_deg`` (modulatory signals M of all samples against backpropagation's, as one vector each),
        ``sample_alignment_deg`` (the same as the mean over samples of a sample's angle), ``sample_angle_deg`` (of
        samples too, but after the derivative, M f'(z); in spiking mode with the derivative of the activation),
        ``update_angle_deg`` and ``total_update_angle_deg`` (the rule's update against backpropagation's, of a layer and
        of all layers); of B and the product W of the weights on its way, ``weight_cosine``, ``relative_error``
        (|B - W^T| / |W|) and ``sign_congruence`` (share of equal signs); ``conservation``, Robertson's potential, which
        plain small steps with one learning rate keep in layers of identity or ReLU units (not a number where the route
        has none); ``weight_norm`` and ``bias_norm``; ``activation_histogram`` (shares of activities by bin).

    Raises
    ------
    InputError
        For input that cannot be used, in one line.
    Diverged
        If parameters or loss leave the finite numbers.
    """
    require_mode(mode)
    require_kinds(net, rule)
    require_data(data)
    require_kind("training", training, Training, optional=True)
    require_spikes(mode, spiking)
    require_kind("out", out, str | os.PathLike, optional=True, hint="a folder")
    for name, function in (("progress", progress), ("each_epoch", each_epoch)):
        require(function is None or callable(function), f"{name} is {described(function)}; give a function, or None")
    model = net if isinstance(net, Model) else Model(net)
    require_known_rules(model, rule)
    network, protocol, rule, chosen = settings_for(model, rule, spiking)
    protocol = training or (protocol if mode == "rate" else chosen.training)
    if epochs is not None:
        protocol = replace(protocol, epochs=epochs)
    ridge = rule.perturbation is not None and rule.perturbation.estimator == "ridge"
    # `lower` refuses a B that a regression is to find; without an epoch nothing will use it
    if protocol.epochs == 0 and ridge and params is not None:
        params = without_feedback(params)
    chip = as_hardware(hardware, mode, protocol.epochs)
    folder = Path(out) if out is not None else None
    require(not resume or folder is not None, "resume needs the folder of the run to go on with; give out")
    require(
        folder is None or resume or overwrite or not (folder / CHECKPOINT).exists(),
        f"{folder} holds a run already; give resume=True to go on, overwrite=True to start afresh, or another out",
    )
    if resume and folder is not None and threads is None:
        threads = threads_of(folder)
    trainer = Trainer(
        network, protocol, rule, data,
        mode=mode, spiking=chosen if mode == "rate" else replace(chosen, training=protocol),
        hardware=chip, seed=seed, params=params, probe_every=probe_every, threads=threads, out=folder,
        brian_target=brian_target, augment=as_augmentation(model.data.augment if augment is None else augment),
    )  # fmt: skip
    if folder is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot make the folder {folder}: {error.strerror}; choose another place") from error
    if resume:
        trainer.resume()
    elif folder is not None:
        for name in (CHECKPOINT, RESULTS, CURVES):
            remove(folder / name)  # of the run that is overwritten
    trainer.run(progress, each_epoch)
    return _result(trainer, {"title": model.title, "source": model.source})


def _result(trainer: Trainer, attributes: Mapping[str, Any]) -> Run:
    """What a finished run leaves."""
    history, data, mode, seed = trainer.history, trainer.data, trainer.mode, trainer.seed
    stopped_early = trainer.report_last == 0
    if stopped_early and history.epochs:
        trainer.take_best()
    if trainer.untrained_error is not None:
        error = trainer.untrained_error
    elif stopped_early:
        error = trainer.engine.evaluate(data.x_test, data.y_test)[1]
    else:
        error = history.reported_error(trainer.report_last)
    synops = trainer.engine.synops_per_sample()
    hardware = trainer.hardware.label if trainer.hardware else ""
    about = {
        "rule": trainer.rule.name,
        "mode": mode,
        "hardware": hardware,
        "seed": seed,
        "data": data.name,
        "data_note": data.note,
        "task": data.task,
        "test_error": error,
        "final": final_note(history.epochs, trainer.report_last),
        "report_last": trainer.report_last,
        "seconds": trainer.seconds,
        "synops_per_sample": synops,
        "identity": trainer.identity,
        "threads": trainer.engine.threads,
    }
    dataset = history.dataset(trainer.plan.n_layers, {**attributes, **environment(), **about})
    return Run(
        copied(trainer.engine.params), dataset, error, trainer.seconds, synops, trainer.rule, mode, seed, hardware,
        trainer.engine.operations_per_sample(),
    )  # fmt: skip
