"""What the networks of notes 5 to 9 of Lillicrap et al. 2016 share: when the learning rate falls."""

from dataclasses import replace


def falling(training, epochs: int):
    """A protocol of so many epochs, with a tenth of the rate after three quarters of them and a hundredth at the end.

    The notes have rates from 1e-2 to 1e-4 "in steps" and do not say when.
    """
    from neurofa.spec import Schedule

    return replace(
        training, epochs=epochs, schedule=Schedule("step", 0.1, milestones=(3 * epochs // 4, 9 * epochs // 10))
    )
