"""Figures: functions that take and return matplotlib Axes, in one style, without touching pyplot's global state.

>>> from matplotlib.figure import Figure
>>> from neurofa.plot import learning_curves, save_figure
>>> figure = Figure()
>>> ax = learning_curves(figure.subplots(), {"bp": bp.history, "dfa": dfa.history})  # doctest: +SKIP
>>> save_figure(figure, "curves.pdf")  # doctest: +SKIP
"""

from .alignment import activation_histograms, alignment_angles, alignment_by_rule, weight_alignment
from .common import STYLE, rule_lines, save_figure, styled
from .compare import compare_figure
from .curves import cost_by_rule, final_errors, learning_curves
from .hardware import accuracy_by_bits, membranes, memory_by_kind, operations_by_kind
from .spiking import raster, raster_figure
from .sweep import sweep_figure
from .traces import trace, traces_figure
from .weights import receptive_fields, three_factor_scatter, weight_feedback_scatter

__all__ = [
    "STYLE",
    "accuracy_by_bits",
    "activation_histograms",
    "alignment_angles",
    "alignment_by_rule",
    "compare_figure",
    "cost_by_rule",
    "final_errors",
    "learning_curves",
    "membranes",
    "memory_by_kind",
    "operations_by_kind",
    "raster",
    "raster_figure",
    "receptive_fields",
    "rule_lines",
    "save_figure",
    "styled",
    "sweep_figure",
    "three_factor_scatter",
    "trace",
    "traces_figure",
    "weight_alignment",
    "weight_feedback_scatter",
]
