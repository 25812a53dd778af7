"""The text classifier in torch, as `TorchDistributor` starts it in each process.

It is sent to processes that may lack this code, so its functions import what they need, and nothing
of this project. The network is that of `core.nn.models.textclass` with an LSTM both ways and the
mean over steps; parameters have the names and shapes that they have there.
"""

from __future__ import annotations

from typing import Any

__all__ = ["train"]


def train(given: dict[str, Any]) -> dict[str, Any]:
    """Do one process's part.

    Parameters
    ----------
    given
        The same for each process: ``start`` (parameters by name), texts to learn from ``x``
        ``(texts, steps)`` with classes ``y``, ``held_x`` and ``held_y`` to measure on, ``epochs``,
        ``batch_size``, ``learning_rate``, ``seed``, ``checked``.

    Returns
    -------
    dict
        ``weights`` by name, ``history`` (losses by epoch), ``seconds``, and the ``logits`` of the
        first ``checked`` held texts.
    """
    import os
    import time

    import numpy as np
    import torch
    from torch import distributed

    if os.environ["MASTER_ADDR"].startswith("127."):  # a cluster of this machine
        os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    distributed.init_process_group("gloo")
    x, y, held_x, held_y = (
        torch.from_numpy(np.ascontiguousarray(given[name], dtype=np.int64))
        for name in ("x", "y", "held_x", "held_y")
    )
    network = _classifier(given["start"])
    epoch = _epoch(given, network, x, y)
    history = []
    begin = time.monotonic()
    for _ in range(given["epochs"]):
        loss = epoch()
        with torch.no_grad():
            held = torch.nn.functional.cross_entropy(network(held_x), held_y).item()
        history.append({"loss": loss, "validation_loss": held})
    seconds = time.monotonic() - begin
    with torch.no_grad():
        logits = network(held_x[: given["checked"]]).numpy()
    weights = {name: array.detach().numpy() for name, array in _named(network).items()}
    distributed.destroy_process_group()
    return {"weights": weights, "history": history, "seconds": seconds, "logits": logits}


def _classifier(start: dict[str, Any]) -> Any:
    """Make the network with its first weights."""
    import torch

    class Classifier(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            (words, features), (wide, classes) = start["0.E"].shape, start["5.W"].shape
            self.table = torch.nn.Embedding(words, features)
            self.both = torch.nn.LSTM(features, wide // 2, bidirectional=True, batch_first=True)
            self.out = torch.nn.Linear(wide, classes)

        def forward(self, x: Any) -> Any:
            return self.out(self.both(self.table(x))[0].mean(dim=1))

    network = Classifier()
    with torch.no_grad():
        for name, parameter in _named(network).items():
            parameter.copy_(torch.from_numpy(start[name]))
    return network


def _named(network: Any) -> dict[str, Any]:
    """Name the parameters as ours are; of two biases added up, one is kept at 0."""
    lstm = dict(network.both.named_parameters())
    found = {"0.E": network.table.weight, "5.W": network.out.weight.T, "5.b": network.out.bias}
    for way, end in (("ahead", ""), ("back", "_reverse")):
        found[f"2.{way}.project.W"] = lstm[f"weight_ih_l0{end}"].T
        found[f"2.{way}.project.b"] = lstm[f"bias_ih_l0{end}"]
        found[f"2.{way}.U"] = lstm[f"weight_hh_l0{end}"].T
        lstm[f"bias_hh_l0{end}"].requires_grad_(requires_grad=False).zero_()
    return found


def _epoch(given: dict[str, Any], network: Any, x: Any, y: Any) -> Any:
    """Make a function that runs one epoch with the other processes and returns the mean loss."""
    import torch
    from torch import distributed

    rank, size = distributed.get_rank(), distributed.get_world_size()
    shared = torch.nn.parallel.DistributedDataParallel(network)
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    rule = torch.optim.Adam(trained, given["learning_rate"])
    draw = torch.Generator().manual_seed(given["seed"])

    def run() -> float:
        total = torch.zeros(2)
        for batch in torch.randperm(len(y), generator=draw).split(given["batch_size"]):
            # gradients are averaged: of a batch smaller than the team each process takes all
            mine = batch[rank::size] if len(batch) >= size else batch
            rule.zero_grad()
            loss = torch.nn.functional.cross_entropy(shared(x[mine]), y[mine])
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            rule.step()
            total += torch.tensor([loss.item() * len(mine), len(mine)])
        distributed.all_reduce(total)
        return float((total[0] / total[1]).item())

    return run
