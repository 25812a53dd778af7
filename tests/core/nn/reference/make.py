"""Outputs and gradients of PyTorch, for `tests/core/nn/test_torch.py`.

    python tests/core/nn/reference/make.py

writes torch.npz beside this file. Needs torch, which nothing else in this project does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

FILE = Path(__file__).with_name("torch.npz")
STEPS, BATCH, N_IN, HIDDEN, CLASSES = 6, 3, 4, 5, 4


def compute() -> dict[str, np.ndarray]:
    """Run every case in float64; the names are ``<case>/<array>``."""
    import torch

    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    try:
        return {
            "version": np.array(torch.__version__.partition("+")[0]),
            **_recurrent(torch),
            **_modules(torch),
            **_losses(torch),
            **_optimisers(torch),
        }
    finally:
        torch.set_default_dtype(torch.float32)


def _recurrent(torch: Any) -> dict[str, np.ndarray]:
    out = {}
    for kind in ("RNN", "GRU", "LSTM"):
        for directions in (1, 2):
            layer = getattr(torch.nn, kind)(N_IN, HIDDEN, bidirectional=directions == 2)
            x = torch.randn(STEPS, BATCH, N_IN, requires_grad=True)
            first = torch.randn(directions, BATCH, HIDDEN) * (directions == 1)
            state = (first, first * 0.5) if kind == "LSTM" else first
            y, last = layer(x, state)
            dy = torch.randn_like(y)
            (y * dy).sum().backward()
            case = kind if directions == 1 else f"{kind}-both"
            arrays = {"x": x, "state": first[0], "y": y, "dy": dy, "dx": x.grad}
            if kind == "LSTM":
                arrays["c"] = last[1][0]
            for name, weight in layer.named_parameters():
                arrays[name], arrays[f"d_{name}"] = weight, weight.grad
            out |= {f"{case}/{k}": v.detach().numpy().copy() for k, v in arrays.items()}
    return out


def _modules(torch: Any) -> dict[str, np.ndarray]:
    out = {}
    ids = torch.tensor([[1, 1, 0], [3, 1, 2]])
    real = torch.randn(BATCH, N_IN, requires_grad=True)
    norm = torch.nn.LayerNorm(N_IN)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    cases = {
        "Linear": (torch.nn.Linear(N_IN, HIDDEN), real),
        "LayerNorm": (norm, real),
        "Embedding": (torch.nn.Embedding(CLASSES, HIDDEN), ids),
        "Sigmoid": (torch.nn.Sigmoid(), real),
        "Tanh": (torch.nn.Tanh(), real),
        "ReLU": (torch.nn.ReLU(), real),
        "Softmax": (torch.nn.Softmax(-1), real),
    }
    for case, (layer, x) in cases.items():
        real.grad = None
        y = layer(x)
        dy = torch.randn_like(y)
        (y * dy).sum().backward()
        arrays = {"x": x, "y": y, "dy": dy}
        if x.grad is not None:
            arrays["dx"] = x.grad
        for name, weight in layer.named_parameters():
            arrays[name], arrays[f"d_{name}"] = weight, weight.grad
        out |= {f"{case}/{k}": v.detach().numpy().copy() for k, v in arrays.items()}
    return out


def _losses(torch: Any) -> dict[str, np.ndarray]:
    out = {}
    y = (torch.randn(BATCH, CLASSES) * 30).requires_grad_()
    target = torch.tensor([0, 3, 1])
    for reduction in ("mean", "sum"):
        y.grad = None
        loss = torch.nn.functional.cross_entropy(y, target, reduction=reduction)
        loss.backward()
        arrays = {"y": y, "target": target, "loss": loss, "dy": y.grad}
        out |= {
            f"CrossEntropy-{reduction}/{k}": v.detach().numpy().copy() for k, v in arrays.items()
        }
    return out


def _optimisers(torch: Any) -> dict[str, np.ndarray]:
    out = {}
    grads = torch.randn(20, 7)
    start = torch.randn(7)
    rules = {
        "SGD": lambda p: torch.optim.SGD(p, lr=0.1, weight_decay=0.01),
        "Momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01),
        "Adam": lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.1),
        "AdamW": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1),
    }
    for name, make in rules.items():
        theta = start.clone().requires_grad_()
        rule = make([theta])
        path = []
        for grad in grads:
            theta.grad = grad.clone()
            rule.step()
            path.append(theta.detach().numpy().copy())
        out[f"{name}/start"] = start.numpy().copy()
        out[f"{name}/grads"] = grads.numpy().copy()
        out[f"{name}/path"] = np.array(path)
    return out


if __name__ == "__main__":
    np.savez_compressed(FILE, **compute())
    print(f"{FILE}: {FILE.stat().st_size} bytes")
