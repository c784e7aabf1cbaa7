"""The peer of the speed table: the same training in eager PyTorch, written as the authors of DRTP write it.

Linear layers and tanh as modules, backpropagation by autograd, and for DRTP an autograd function after each hidden
activation that puts the projected target in the gradient's place. Runs as a process of its own,
so that its threads and Numba's do not meet: reads one JSON object a line, answers with one a line.
"""

import json
import os
import sys
import time
from itertools import pairwise
from typing import Any


def build(torch: Any, sizes: list[int], rule: str, optimiser: str, rate: float, fused: bool) -> Any:
    """A function that makes one update from a batch of x and labels."""
    nn, functional = torch.nn, torch.nn.functional

    class Project(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx, a, B, signal):
            ctx.save_for_backward(B, signal)
            return a.clone()

        @staticmethod
        def backward(ctx, grad):
            B, signal = ctx.saved_tensors
            return signal.mm(B), None, None

    class Model(nn.Module):  # type: ignore[name-defined,misc]
        def __init__(self):
            super().__init__()
            self.linear = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
            self.B = [nn.init.kaiming_uniform_(torch.empty(sizes[-1], n)) for n in sizes[1:-1]]

        def forward(self, x, signal):
            for layer, linear in enumerate(self.linear[:-1]):
                x = torch.tanh(linear(x))
                if rule == "drtp":
                    x = Project.apply(x, self.B[layer], signal)
            return torch.sigmoid(self.linear[-1](x))

    model = Model()
    kinds = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}
    extra = {"fused": True} if fused else {}
    descent = kinds[optimiser](model.parameters(), lr=rate, **extra)

    def update(x, labels):
        target = functional.one_hot(labels, sizes[-1]).to(x.dtype)
        descent.zero_grad()
        loss = functional.binary_cross_entropy(model(x, target), target)
        loss.backward()
        descent.step()
        return loss

    return update


def main() -> None:
    """Serve timings until the input ends."""
    import torch

    functions: dict[str, Any] = {}
    for line in sys.stdin:
        ask = json.loads(line)
        torch.set_num_threads(ask["threads"])
        key = json.dumps(ask["case"], sort_keys=True)
        if key not in functions:
            torch.manual_seed(0)
            functions.clear()
            sizes = ask["case"]["sizes"]
            x, y = torch.rand(ask["samples"], sizes[0]), torch.randint(sizes[-1], (ask["samples"],))
            functions[key] = (build(torch, **ask["case"]), x, y)
        update, x, y = functions[key]
        order = torch.randperm(len(x))
        batch, before = ask["batch"], os.times()
        began = time.perf_counter()
        epoch = len(x) // batch
        for update_number in range(ask["updates"]):
            b = update_number % epoch
            chosen = order[b * batch : (b + 1) * batch]
            update(x[chosen], y[chosen])
        seconds, after = time.perf_counter() - began, os.times()
        used = after.user + after.system - before.user - before.system
        print(json.dumps({"seconds": seconds, "cpu_s": used, "torch": torch.__version__}), flush=True)


if __name__ == "__main__":
    main()
