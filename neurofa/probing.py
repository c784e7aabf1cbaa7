"""Probes of a run: one update by its rule and one by backpropagation, compared on the same few samples."""

from dataclasses import replace

import numpy as np

from .analysis.probes import measure
from .engines import new_engine
from .engines.base import Engine
from .rules import BP, Params, Plan, freeze, without_feedback
from .spec import Network, Rule, Spiking

PROBE_SAMPLES = 256


class Prober:
    """Two engines that take over a run's parameters, one for its rule and one for backpropagation."""

    def __init__(
        self,
        network: Network,
        rule: Rule,
        plan: Plan,
        params: Params,
        mode: str,
        spiking: Spiking,
        threads: int,
    ) -> None:
        self.plan = plan
        own = replace(freeze(network, rule, params), on_chip=plan.on_chip)
        backprop = freeze(network, BP, without_feedback(params))
        mode = "spiking" if mode == "brian" else mode  # Brian2 has no single updates; the spiking engine agrees with it
        threads = 1 if mode == "rate" else threads  # which decide the last bits in rate mode alone
        spiking = replace(spiking, reset_state=True, homeostasis=None)

        def engine(of: Plan) -> Engine:
            return new_engine(mode, of, spiking, batch_size=PROBE_SAMPLES, threads=threads)

        self.own, self.backprop = engine(own), engine(backprop)

    def measure(self, params: Params, x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
        """What `analysis.probes.measure` says of a run that has these parameters, on its first samples."""
        for engine in (self.own, self.backprop):
            for key, value in engine.params.items():
                if not (engine is self.backprop and key.endswith(".B")):
                    value[...] = params[key]
        x, y = x[:PROBE_SAMPLES], y[:PROBE_SAMPLES]
        # noise is that of seed 0 each time, since updates leave it as it was: a resumed run measures the same
        mine, theirs = self.own.updates(x, y), self.backprop.updates(x, y)
        with np.errstate(over="ignore", invalid="ignore"):  # in a run that is about to diverge
            return measure(self.plan, params, mine, theirs, self.backprop.activities(x, y))
