"""Runs that were trained apart, in one dataset."""

from dataclasses import replace

import numpy as np
import pytest
from running import SIZES
from support import data_for, network_for, protocol

import neurofa as nf
from neurofa.rules import BP, DFA, FA

NETWORK = network_for(BP, SIZES)
DATA = data_for(NETWORK, 20)


def trained(folder, rule=DFA, seed=0, network=NETWORK, data=DATA, **options):
    """A run of two epochs in a folder, and the folder's name."""
    nf.train(network, rule, data, seed=seed, training=protocol(**{"epochs": 2} | options), out=folder)
    return str(folder)


def test_runs_of_other_rules_seeds_and_lengths_are_side_by_side(tmp_path):
    folders = [
        trained(tmp_path / "a"), trained(tmp_path / "b", seed=1, epochs=3), trained(tmp_path / "c", FA),
    ]  # fmt: skip
    found = nf.gather([tmp_path / "a", *folders[1:]])
    assert list(found.run.values) == folders
    assert list(found.rule.values) == ["dfa", "dfa", "fa"]
    assert list(found.mode.values) == ["rate"] * 3
    assert list(found.seed.values) == [0, 1, 0]
    assert list(found.hardware.values) == [""] * 3
    assert list(found.epochs.values) == [2, 3, 2]
    assert found.attrs == {"data": "random", "task": "classification"}
    for folder in folders:
        run, mine = nf.load_run(folder), found.sel(run=folder)
        assert float(mine.final_test_error) == run.test_error
        assert mine.final == run.history.attrs["final"]
        assert float(mine.synops_per_sample) == run.synops_per_sample
        for name, values in run.history.items():
            shown = {dim: run.history[dim] for dim in values.dims if dim in run.history.coords}
            np.testing.assert_array_equal(mine[name].sel(shown).values, values.values, err_msg=name)
    assert np.isnan(found.test_error.sel(run=folders[0], epoch=3))
    by_seed = found.isel(run=slice(2)).swap_dims(run="seed")
    assert float(by_seed.final_test_error.sel(seed=1)) == float(found.final_test_error.sel(run=folders[1]))
    assert "run" not in found.bin_centre.dims


def test_runs_on_spikes_and_on_a_chip_are_told_apart(tmp_path):
    data = nf.Data(np.abs(DATA.x_train) / 9, DATA.y_train, np.abs(DATA.x_test) / 9, DATA.y_test, n_outputs=3)
    how = {"training": nf.Training(1, 1, 1e-3, "sgd")}
    nf.train(NETWORK, DFA, data, "spiking", out=tmp_path / "s", **how)
    nf.train(NETWORK, DFA, data, "rate", out=tmp_path / "r", **how)
    nf.train(NETWORK, DFA, data, "rate", out=tmp_path / "c", hardware="int8_stochastic", **how)
    found = nf.gather([tmp_path / name for name in "src"])
    assert list(found.mode.values) == ["spiking", "rate", "rate"]
    assert list(found.hardware.values) == ["", "", "int8_stochastic"]


def test_a_single_run_is_gathered_too(tmp_path):
    assert nf.gather([trained(tmp_path / "a", epochs=0)]).sizes["run"] == 1


def test_what_cannot_be_gathered(tmp_path):
    first = trained(tmp_path / "a")
    wider = network_for(BP, (6, 8, 5, 3))
    for other, part in (
        (trained(tmp_path / "again", epochs=3), "are both of rule 'dfa', mode 'rate' and seed 0; leave one out"),
        (trained(tmp_path / "wider", FA, network=wider), r"network.sizes.1 (7 and 8); gather runs of one model"),
        (trained(tmp_path / "data", FA, data=replace(DATA, name="other")), "data ('random' and 'other'); gather runs"),
        (
            trained(tmp_path / "rate", seed=1, learning_rate=0.2),
            "training.learning_rate (0.1 and 0.2); gather them apart",
        ),
        (tmp_path / "nothing", "nothing"),
    ):
        with pytest.raises(nf.InputError) as caught:
            nf.gather([first, other])
        assert part in str(caught.value)
        assert "\n" not in str(caught.value)
    for folders, part in ((first, "give a list of the folders"), ([], "at least one"), ([3], "folder is 3")):
        with pytest.raises(nf.InputError, match=part):
            nf.gather(folders)
