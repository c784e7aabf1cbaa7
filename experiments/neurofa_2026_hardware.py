"""MNIST."""
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import neurofa as nf

HERE = Path(__file__).parent
STEM = "neurofa_2026_hardware"
MODEL, CHIP, CHIP_MODEL = "mnist", "loihi", "mnist_loihi"
RULES = "dfa,drtp,sign_fa"
FORMATS = "float,int8,int8_stochastic,int4,int4_stochastic,int2,int2_stochastic"
SETTINGS = ("hidden_rate", "output_rate", "error_threshold", "headroom", "every_ticks", "window_high", "fall")
MODULATOR_ROOM = 4.0  # of modulators that add up over a whole presentation


def model_of(format_name: str) -> "nf.Model":
    """The network of a format: chips have neurons of their own."""
    import neurofa as nf

    return nf.load_model(CHIP_MODEL if format_name == CHIP else MODEL)


def settings(values: dict[str, Any]) -> dict[str, Any]:
    """Settings as the file has them, with None for what is left as the model or the profile has it."""
    return {name: values.get(name) for name in SETTINGS}


def spiking_of(model: "nf.Model", rule: "nf.Rule", values: dict[str, Any], epochs: int) -> "nf.Spiking":
    """Spiking mode with a combination's settings in place; what is None stays as the model has it."""
    import neurofa as nf

    base = model.spiking_for(rule)
    training = replace(base.training, epochs=epochs, report_last=min(3, epochs))
    if values["hidden_rate"] is not None:
        training = replace(training, learning_rate=(values["hidden_rate"], values["output_rate"]))
    if values["fall"] is not None:
        training = replace(training, schedule=nf.Schedule("step", values["fall"] ** (1 / max(epochs, 1)), every=1))
    post = base.post if values["window_high"] is None else replace(base.post, high=float(values["window_high"]))
    threshold = base.error_threshold if values["error_threshold"] is None else values["error_threshold"]
    return replace(base, training=training, post=post, error_threshold=threshold)


def chip_of(format_name: str, values: dict[str, Any]) -> "nf.Hardware | None":
    """A profile with a combination's settings in place."""
    from neurofa.hardware import load_profile

    if format_name == "float":
        return None
    chip = load_profile(format_name)
    if values["headroom"] is not None:
        chip = replace(chip, weights=replace(chip.weights, headroom=values["headroom"]))
    if values["every_ticks"]:
        chip = replace(
            chip, learning=replace(chip.learning, every_ticks=int(values["every_ticks"])),
            modulators=replace(chip.modulators, headroom=MODULATOR_ROOM),
        )  # fmt: skip
    return chip
