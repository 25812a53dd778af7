"""Write docs/reference/spark-figures.md: what figures.json holds, and what follows for 128.

    python benchmarks/spark/page.py > docs/reference/spark-figures.md

No figure of that page is typed in by hand; figures.md.j2 is its text. Only the network between 128
executors is assumed (`HOP_US`, `GBIT`), and the page says so.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

FOLDER = Path(__file__).parent
HOP_US = 50.0  # a message between neighbours in a machine room, assumed
GBIT = 10.0  # its bandwidth, assumed
BYTES = 4  # of a number: float32
EXECUTORS = (2, 8, 32, 128)
BATCHES = (128, 1024, 8192)
MOST = 1024
WORK = {"1 minute": 60, "10 minutes": 600, "1 hour": 3600, "10 hours": 36000}


@dataclass(frozen=True)
class Costs:
    """What an update of the parameters costs, in seconds.

    Attributes
    ----------
    text
        For each text of a process's share.
    update
        In every update, however many share it.
    numbers
        Parameters of the network.
    """

    text: float
    update: float
    numbers: int

    @classmethod
    def fit(cls, measured: dict[str, Any]) -> Costs:
        """Fit both to the processor time of one and two processes, by least relative squares."""
        rows = measured["rows"]
        each = np.array([row["cpu"] / row["updates"] for row in rows])
        share = np.array([row["batch"] / row["processes"] for row in rows])
        matrix = np.column_stack([share, np.ones(len(rows))]) / each[:, None]
        (text, update), *_ = np.linalg.lstsq(matrix, np.ones(len(rows)), rcond=None)
        return cls(float(text), float(update), int(measured["numbers"]))

    def seconds(self, batch: int, n: int, gbit: float = GBIT) -> float:
        """Work out an update that n executors share: 2 (n - 1) messages of 1/n of the gradient."""
        message = HOP_US / 1e6 + self.numbers * BYTES / n * 8 / (gbit * 1e9)
        return self.text * -(-batch // n) + self.update + 2 * (n - 1) * message

    def speed_up(self, batch: int, n: int, gbit: float = GBIT) -> float:
        """Compare with one executor."""
        return self.seconds(batch, 1) / self.seconds(batch, n, gbit)

    def best(self, batch: int) -> int:
        """Find the number of executors that is fastest."""
        return min(range(1, MOST + 1), key=lambda n: self.seconds(batch, n))

    def half(self, batch: int) -> int:
        """Find the most executors of which each brings at least half of what it could."""
        return max(n for n in range(1, MOST + 1) if self.speed_up(batch, n) >= n / 2)


def page(found: dict[str, Any]) -> str:
    """Write the page."""
    train, cluster = found["train"], found["cluster"]
    sizes = {(row["batch"], row["processes"]): row for row in train["rows"]}
    batches = dict.fromkeys(row["batch"] for row in train["rows"])
    last = max(cluster["rows"], key=lambda row: row["executors"])
    alone, there = found["routes"]["rows"]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=False,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters["f"] = lambda value, digits: f"{value:.{digits}f}"
    return environment.get_template("figures.md.j2").render(
        **found,
        sizes=sorted({row["gb"] for row in found["large"]["rows"]}),
        busy=any(part["load"] > 2 * part["cores"] for part in found.values()),
        pairs=[(sizes[batch, 1], sizes[batch, 2]) for batch in batches],
        alone=sizes[last["batch"], 1],
        last=last,
        fixed=last["whole"] - last["training"],
        costs=Costs.fit(train),
        network={"us": HOP_US, "gbit": GBIT},
        executors=EXECUTORS,
        batches=BATCHES,
        works=WORK.items(),
        here=alone,
        there=there,
        long=(alone["cpu"] - alone["tour_cpu"]) * 100 / found["routes"]["steps"],
    )


if __name__ == "__main__":
    print(page(json.loads((FOLDER / "figures.json").read_text())), end="")
