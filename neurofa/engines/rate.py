"""The dense rate engine: a Plan in flat arrays, run by the kernels.

A layer's weights lie in one vector with all others, so that an optimiser passes over contiguous memory; activities
are neuron-major, so that a block of presynaptic neurons is contiguous in the weights and in the activities alike.
Feedback is stored with the shape of W (n_layer, n_source); `params` shows it transposed, as B.
"""

import numpy as np

from ..blas import one_blas_thread
from ..kernels import codes
from ..kernels.codes import Buffers, Net, State
from ..kernels.dense import BLOCK
from ..kernels.network import advance, evaluate, follow, forward, learn, send_back
from ..kernels.perturbed import Learned, advance_perturbed
from ..kernels.prefetching import LINE
from ..rules import Params, Plan, renewed
from ..spec import Optimiser
from ..spec.errors import InputError
from ..spec.seeds import streams
from .base import FOLLOWS, Capabilities, macs_per_sample, put_back, require_batches, require_sizes, require_supported
from .memory import aligned, for_reading
from .rate_stored import store, stored_params
from .threads import available_threads

CAPABILITIES = Capabilities(
    activations=frozenset(codes.ACTIVATIONS),
    losses=frozenset(codes.LOSSES),
    signals=frozenset(codes.SIGNALS),
    follows=frozenset(FOLLOWS),
)
EVALUATION_BATCH = 256
MAX_THREADS = 8  # beyond, the partial sums of these sizes cost more than the cores give


class RateEngine:
    """A Plan on the dense engine.

    Parameters
    ----------
    plan
        From `neurofa.lower`.
    batch_size
        Largest number of samples in an update.
    optimiser
        With its weight decay.
    seed
        Of dropout, injected noise and stochastic rounding.
    threads
        Numba threads; all that Numba was started with (at most 8) if None.

    Attributes
    ----------
    params
        ``layers.l.W``, ``.b``, ``.B`` as views of the engine's state: they change as it learns.
    steps
        Updates made.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        batch_size: int,
        optimiser: Optimiser | str = "sgd",
        seed: int = 0,
        threads: int | None = None,
    ) -> None:
        require_supported("rate", CAPABILITIES, plan)
        require_sizes(batch_size, threads)
        self.plan, self.batch_size, self.steps = plan, batch_size, 0
        self.optimiser = Optimiser.of(optimiser)
        self.optimiser.epsilons(plan.n_layers)  # refuses a wrong number of them before anything runs
        available = available_threads()  # even where fewer are asked for: it starts them
        self.threads = min(MAX_THREADS, threads or available)
        random = streams(seed)
        self.noise = random.noise
        self.dropout_key = int(random.dropout.integers(2**63))
        dtype, sizes = plan.dtype, plan.sizes
        capacity = max(batch_size, EVALUATION_BATCH)
        layout, n_theta, n_feedback = self._layout()
        self.net = Net(
            layout=layout,
            reals=np.array([[p.slope, p.dropout, p.minimum] for p in plan.projections]),
            loss=codes.LOSSES[plan.loss],
            signal=codes.SIGNALS[plan.signal],
            direct=plan.route != "sequential",
            classification=plan.task == "classification",
            low=float(plan.targets[0]),
            high=float(plan.targets[1]),
            threads=self.threads,
        )
        kind = self.optimiser.kind
        first = n_theta if kind in ("momentum", "nesterov", "adam") else 0
        second = n_theta if kind in ("adam", "rmsprop") else 0
        self._moments = (first, second)
        theta = aligned(n_theta, dtype)  # stands in for the moments of an optimiser that has none
        self.kernel_state = State(
            theta=theta,
            moment1=aligned(first, dtype) if first else theta,
            moment2=aligned(second, dtype) if second else theta,
            grad=theta,
            feedback=aligned(n_feedback, dtype),
            basis=aligned(n_feedback if any(route.basis is not None for route in plan.feedback) else 0, dtype),
        )
        widest = max(sizes[1:])
        self.buffers = self._new_buffers(capacity, widest)
        perturbation = plan.perturbation
        self.noisy = self.buffers if perturbation is None else self._new_buffers(capacity, widest)
        self.hyper = np.zeros((plan.n_layers, codes.HYPER_COLUMNS), dtype)
        self.params = self._views()
        for key, value in plan.params.items():
            self.params[key][...] = value
        for route in plan.feedback:
            if route.basis is not None and route.elementwise:
                self._feedback_view(self.kernel_state.basis, route.layer)[...] = route.basis.T
        self.learned = self._new_learned(capacity, n_feedback)
        drawn = plan.on_chip.key if plan.on_chip else None
        drawn = int(random.rounding.integers(2**63)) if drawn is None else drawn
        self.stored = stored_params(plan, self.params, drawn)

    def _layout(self) -> tuple[np.ndarray, int, int]:
        """Net.layout, and the lengths of the flat parameter and feedback vectors."""
        plan, per_line = self.plan, LINE // self.plan.dtype.itemsize
        layout = np.zeros((plan.n_layers, codes.LAYOUT_COLUMNS), np.int64)
        routes = {route.layer: route for route in plan.feedback}
        at = feedback_at = units = 0
        for row, (index, projection) in zip(layout, enumerate(plan.projections), strict=True):
            n_pre, n_post = projection.n_pre, projection.n_post
            row[codes.N_PRE], row[codes.N_POST], row[codes.W_AT] = n_pre, n_post, at
            at += -(-n_pre * n_post // per_line) * per_line
            row[codes.BIAS_AT] = at if projection.bias else -1
            at += -(-n_post // per_line) * per_line if projection.bias else 0
            row[codes.PRE_UNITS], row[codes.POST_UNITS] = units, units + n_pre
            units += n_pre
            row[codes.ACTIVATION] = codes.ACTIVATIONS[projection.activation]
            row[codes.PLASTIC] = projection.plastic
            route = routes.get(index)
            row[codes.SOURCE] = route.source if route else index
            row[codes.FOLLOW] = FOLLOWS[route.follow] if route else codes.FIXED
            row[codes.B_AT] = feedback_at
            if route and route.follow != "transpose":  # which is read from W itself
                feedback_at += n_post * plan.projections[route.source].n_post
        return layout, at, feedback_at

    def _new_buffers(self, capacity: int, widest: int) -> Buffers:
        dtype, units = self.plan.dtype, sum(self.plan.sizes) * capacity
        act, slope, modulator, delta, noise = (aligned(units, dtype) for _ in range(5))
        return Buffers(
            act,
            slope,
            modulator,
            delta,
            noise,
            partial=aligned((self.threads - 1) * widest * capacity, dtype),
            block=aligned(self.threads * max(BLOCK, widest), dtype).reshape(self.threads, -1),
            losses=np.zeros(capacity),
        )

    def _new_learned(self, capacity: int, n_feedback: int) -> Learned:
        dtype, settings = self.plan.dtype, self.plan.perturbation
        learns, ridge = self.plan.learns_feedback, self.plan.by_regression
        widest = max((self.plan.projections[r.source].n_post for r in self.plan.feedback), default=1) if ridge else 1
        n = n_feedback if learns else 0
        return Learned(
            product=aligned(n, dtype),
            square=np.zeros((widest, widest), dtype),
            residual=aligned(sum(self.plan.sizes) * capacity if learns else 0, dtype),
            moment=np.zeros((self.plan.n_layers, widest, widest)),
            cross=np.zeros(n if ridge else 0),
            ridge=ridge,
            rate=float(settings.learning_rate) if settings else 0.0,  # a whole number would have all compiled anew
            gamma=float(settings.ridge) if settings else 0.0,
            noise_std=float(settings.noise_std) if settings else 1.0,
            learns=learns,
        )

    def _feedback_view(self, flat: np.ndarray, layer: int) -> np.ndarray:
        """A hidden layer's part of a vector laid out as the feedback, (n_layer, n_source)."""
        row = self.net.layout[layer]
        n, n_source = row[codes.N_POST], self.net.layout[row[codes.SOURCE], codes.N_POST]
        return flat[row[codes.B_AT] : row[codes.B_AT] + n * n_source].reshape(n, n_source)

    def _views(self, flat: np.ndarray | None = None) -> Params:
        """W, b and B by name, as views."""
        theta, views = self.kernel_state.theta if flat is None else flat, {}
        for index, row in enumerate(self.net.layout):
            n_pre, n_post, at = row[codes.N_PRE], row[codes.N_POST], row[codes.W_AT]
            views[f"layers.{index}.W"] = theta[at : at + n_pre * n_post].reshape(n_pre, n_post)
            if row[codes.BIAS_AT] >= 0:
                views[f"layers.{index}.b"] = theta[row[codes.BIAS_AT] : row[codes.BIAS_AT] + n_post]
        if flat is None:
            for route in self.plan.feedback:
                key = f"layers.{route.layer}.B"
                if route.follow == "transpose":
                    views[key] = views[f"layers.{route.source}.W"].T
                else:
                    views[key] = self._feedback_view(self.kernel_state.feedback, route.layer).T
        return views

    def _arrays(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Inputs, labels and values as the kernels take them; copies what has another precision."""
        x = for_reading(x, self.plan.dtype)
        if self.net.classification:
            return x, for_reading(y, np.int64), np.zeros((0, 1), self.plan.dtype)
        return x, np.zeros(0, np.int64), for_reading(y, self.plan.dtype)

    def set_rates(self, rates: tuple[float, ...]) -> None:
        """Write the optimiser's scalars for a learning rate per layer."""
        o = self.optimiser
        decay1 = o.beta1 if o.kind == "adam" else o.momentum
        decay2 = o.beta2 if o.kind == "adam" else o.alpha
        epsilons = o.epsilons(self.plan.n_layers)
        for row, rate, epsilon, projection in zip(self.hyper, rates, epsilons, self.plan.projections, strict=True):
            row[:] = (rate, o.weight_decay, decay1, decay2, epsilon, 1, 1, projection.minimum)

    def train(
        self, x: np.ndarray, y: np.ndarray, order: np.ndarray, first: int, last: int, rates: tuple[float, ...]
    ) -> tuple[float, float]:
        """Learn from batches first..last of an epoch.

        Parameters
        ----------
        x, y
            All samples, (n, features), and their labels (n,) or values (n, n_outputs).
        order
            Indices of samples, (m,) int64; batch b is ``order[b * batch_size : (b + 1) * batch_size]``.
        first, last
            Range of batches.
        rates
            Learning rate of each layer.

        Returns
        -------
        Sums over the samples of loss and errors, before each update. The first is not finite if learning diverged.
        """
        arrays, every = self._arrays(x, y), self.plan.refresh_every
        require_batches(first, last, len(order), self.batch_size)
        self.set_rates(rates)
        optimiser, total, wrong = codes.OPTIMISERS[self.optimiser.kind], 0.0, 0.0
        with one_blas_thread():
            while first < last:
                stop = min(last, first + every - self.steps % every) if every else last
                stop = stop if self.stored is None else first + 1  # since every step is stored on levels
                loss, errors = self._run(optimiser, arrays, order, first, stop)
                total, wrong, self.steps, first = total + loss, wrong + errors, self.steps + stop - first, stop
                if not np.isfinite(total):
                    break
                if self.stored is not None:
                    store(self.stored, self.params, self.steps - 1)
                    follow(self.net, self.kernel_state)
                if every and self.steps % every == 0:
                    self._refresh()
        return total, wrong if self.net.classification else total

    def _run(
        self, optimiser: int, arrays: tuple[np.ndarray, ...], order: np.ndarray, first: int, last: int
    ) -> tuple[float, int]:
        common = (optimiser, self.hyper, *arrays, order, self.batch_size, first, last, self.dropout_key, self.steps)
        if self.plan.perturbation is None:
            return advance(self.net, self.kernel_state, self.buffers, *common)
        return advance_perturbed(
            self.net, self.kernel_state, self.buffers, self.noisy, self.learned, self.noise, *common
        )

    def _refresh(self) -> None:
        """Renew the feedback that no kernel follows W with."""
        for layer, basis, B in renewed(self.plan, self.params, self.noise):
            if basis is not None:
                self._feedback_view(self.kernel_state.basis, layer)[...] = basis.T
            if B is not None:
                self._feedback_view(self.kernel_state.feedback, layer)[...] = B.T
        follow(self.net, self.kernel_state)

    def warm_up(self) -> None:
        """Compile the kernels, or load them from the cache, before anything is timed."""
        order, targets = np.arange(0), np.zeros((0, self.plan.sizes[-1]))
        arrays = self._arrays(np.zeros((0, self.plan.sizes[0])), targets[:, 0] if self.net.classification else targets)
        self._run(codes.OPTIMISERS[self.optimiser.kind], arrays, order, 0, 0)
        evaluate(self.net, self.kernel_state, self.buffers, *arrays, order, 1)
        if self.stored is not None:
            store(self.stored, self.params, 0, rows=0)
        if self.stored is not None or self.plan.refresh_every:
            follow(self.net._replace(layout=self.net.layout[:0]), self.kernel_state)

    def evaluate(self, x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
        """Mean loss, and fraction of samples classified wrongly (the mean loss again for a regression)."""
        if len(x) == 0:
            return float("nan"), float("nan")
        arrays = self._arrays(x, y)
        size = min(len(x), EVALUATION_BATCH)
        with one_blas_thread():
            total, wrong = evaluate(self.net, self.kernel_state, self.buffers, *arrays, np.arange(len(x)), size)
        return total / len(x), (wrong / len(x) if self.net.classification else total / len(x))

    def updates(self, x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
        """The rule's raw update for one batch: ``layers.l.dW``, ``.db``, ``.M`` (and ``.dB``); changes nothing.

        Shapes: dW and db as W and b, M (n_samples, n_post), dB as B. Dropout does not act.
        """
        n = len(x)
        if n > len(self.buffers.losses):
            raise InputError(f"a batch of {n} samples is larger than the {len(self.buffers.losses)} this engine holds")
        arrays, order = self._arrays(x, y), np.arange(n)
        state = self.kernel_state._replace(grad=np.zeros_like(self.kernel_state.theta))
        net = self.net._replace(reals=self.net.reals.copy())
        net.reals[:, codes.DROPOUT] = 0
        for buffer in (self.buffers.modulator, self.buffers.delta):
            buffer[:] = 0
        with one_blas_thread():
            if self.plan.perturbation is None:
                forward(net, state, self.buffers, *arrays, order, 0, n, False, 0, 0, 0.0, 0)
                send_back(net, state, self.buffers, arrays[1], order, 0, n)
                learn(net, state, self.buffers, codes.STORE, self.hyper, n)
            else:
                kept = self.noise.bit_generator.state
                sums = {name: np.zeros_like(getattr(self.learned, name)) for name in ("moment", "cross")}
                advance_perturbed(
                    net, state, self.buffers, self.noisy, self.learned._replace(**sums), self.noise,
                    codes.STORE, self.hyper, *arrays, order, n, 0, 1, 0, 0,
                )  # fmt: skip
                self.noise.bit_generator.state = kept
        result = {}
        for key, value in self._views(state.grad).items():
            layer, name = key.rsplit(".", 1)
            result[f"{layer}.d{name}"] = value
        for index, row in enumerate(self.net.layout):
            at, n_post = row[codes.POST_UNITS] * n, row[codes.N_POST]
            result[f"layers.{index}.M"] = self.buffers.modulator[at : at + n_post * n].reshape(n_post, n).T.copy()
        if self.learned.learns and not self.learned.ridge:
            for route in self.plan.feedback:
                result[f"layers.{route.layer}.dB"] = self._feedback_view(self.learned.product, route.layer).T.copy()
        return result

    def activities(self, x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
        """Activity of every layer for one batch, (n_samples, n_post) each, without dropout."""
        n, arrays = len(x), self._arrays(x, y)
        with one_blas_thread():
            forward(self.net, self.kernel_state, self.buffers, *arrays, np.arange(n), 0, n, False, 0, 0, 0.0, 0)
        spans = [(row[codes.POST_UNITS] * n, row[codes.N_POST]) for row in self.net.layout]
        return [self.buffers.act[at : at + size * n].reshape(size, n).T.copy() for at, size in spans]

    def check_samples(self, x: np.ndarray, y: np.ndarray) -> None:
        """Whatever is finite can be taken."""

    def synops_per_sample(self) -> float:
        """Multiply-accumulates for one training sample."""
        return macs_per_sample(self.plan)

    def operations_per_sample(self) -> None:
        """None: they follow from the network, and are not counted."""

    def state(self) -> dict[str, np.ndarray]:
        """Moments, feedback bases and regression sums: what a run needs beside the parameters."""
        k, arrays = self.kernel_state, {"steps": np.array(self.steps)}
        arrays |= {"basis": k.basis, "moment": self.learned.moment, "cross": self.learned.cross}
        if self._moments[0]:
            arrays["moment1"] = k.moment1
        if self._moments[1]:
            arrays["moment2"] = k.moment2
        if self.stored is not None:
            arrays |= {f"kept.{name}": value for name, value in self.stored.kept.items()}
        return arrays

    def restore(self, params: Params, state: dict[str, np.ndarray]) -> None:
        """Go on from saved parameters and state.

        Raises
        ------
        InputError
            If a name or a shape differs from this engine's.
        """
        put_back("parameter", self.params, params)
        put_back("state", self.state(), state)
        self.steps = int(state["steps"])
