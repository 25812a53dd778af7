"""The text classifier by torch and Spark's TorchDistributor; benchmarks/spark/peers.py starts it.

Argument: a JSON object with data (npz of rows, classes and starting weights), out, epochs, batch,
rate, processes. The network is that of `core.nn.models.textclass`: LSTM both ways, mean.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any


def train(given: dict[str, Any]) -> None:
    """Do one process's part (it is sent to the others, and imports what it needs)."""
    import numpy as np  # noqa: PLC0415
    import torch  # noqa: PLC0415
    from torch.nn.parallel import DistributedDataParallel  # noqa: PLC0415

    class Classifier(torch.nn.Module):
        def __init__(self, start: dict[str, Any]) -> None:
            super().__init__()
            (words, features), (wide, classes) = start["0.E"].shape, start["5.W"].shape
            self.table = torch.nn.Embedding(words, features)
            self.both = torch.nn.LSTM(features, wide // 2, bidirectional=True, batch_first=True)
            self.out = torch.nn.Linear(wide, classes)

        def forward(self, x: Any) -> Any:
            return self.out(self.both(self.table(x))[0].mean(dim=1))

        def ours(self) -> dict[str, Any]:
            """Name its parameters as ours are; of two biases added up, one is kept at 0."""
            lstm = dict(self.both.named_parameters())
            found = {"0.E": self.table.weight, "5.W": self.out.weight.T, "5.b": self.out.bias}
            for way, end in (("ahead", ""), ("back", "_reverse")):
                found[f"2.{way}.project.W"] = lstm[f"weight_ih_l0{end}"].T
                found[f"2.{way}.project.b"] = lstm[f"bias_ih_l0{end}"]
                found[f"2.{way}.U"] = lstm[f"weight_hh_l0{end}"].T
                lstm[f"bias_hh_l0{end}"].requires_grad_(requires_grad=False).zero_()
            return found

    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    rank, size = torch.distributed.get_rank(), torch.distributed.get_world_size()
    stored = dict(np.load(given["data"]))
    x, y = torch.from_numpy(stored.pop("x")).long(), torch.from_numpy(stored.pop("y")).long()
    net = Classifier(stored)
    with torch.no_grad():
        for name, parameter in net.ours().items():
            parameter.copy_(torch.from_numpy(stored[name]))
    shared = DistributedDataParallel(net)
    trained = [parameter for parameter in net.parameters() if parameter.requires_grad]
    rule = torch.optim.Adam(trained, given["rate"])
    draw = torch.Generator().manual_seed(0)
    begin = time.monotonic()
    for _ in range(given["epochs"]):
        for batch in torch.randperm(len(y), generator=draw).split(given["batch"]):
            mine = batch[rank::size]
            rule.zero_grad()
            torch.nn.functional.cross_entropy(shared(x[mine]), y[mine]).backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            rule.step()
    seconds = time.monotonic() - begin
    if rank == 0:
        weights = {name: array.detach().numpy() for name, array in net.ours().items()}
        np.savez(given["out"], seconds=seconds, **weights)
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    from pyspark.ml.torch.distributor import TorchDistributor
    from pyspark.sql import SparkSession

    asked = json.loads(sys.argv[1])
    spark = SparkSession.builder.getOrCreate()
    runner = TorchDistributor(num_processes=asked["processes"], local_mode=True, use_gpu=False)
    runner.run(train, asked)
    spark.stop()
