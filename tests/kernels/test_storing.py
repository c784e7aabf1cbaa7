"""Random numbers by which stored weights are rounded, and synapses fail."""

from neurofa.engines.states import new_draw
from neurofa.kernels.storing import SEND_SHOWN, SHOWN, begin_draws
from neurofa.spec.seeds import streams


def test_what_is_sent_is_drawn_from_a_stream_of_its_own():
    """And not from that of the rounding, in another order of presentations; nor are tests from that of training."""
    drawn = []
    for seed in range(4):
        key = int(streams(seed).rounding.integers(2**63))
        for stream in (1, 2):
            draw = new_draw(key, stream)
            for m in range(64):
                begin_draws(draw, m)
                drawn += [int(draw[SHOWN])] if stream == 1 else []
                drawn.append(int(draw[SEND_SHOWN]))
    assert len(set(drawn)) == len(drawn)
