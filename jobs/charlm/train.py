"""Train a character language model, which predicts the next character of a text.

    python -m jobs.charlm.train --input book.txt --cell gru

The last tenth of the text is held out and measured in bits per character. Writes model.npz and
result.json to --output. If it is killed or interrupted, it leaves checkpoint.npz there; the same
command with --resume true continues from it and gives exactly the model of an uninterrupted run.
"""

from __future__ import annotations

import io
import json
import math
import time
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azkaban_client.job import InputError, Outputs, Run, job, param, write_bytes, write_text
from core.nn import Adam, CrossEntropy, Sequential, Trainer, TrainingError
from core.nn.checkpoint import load_checkpoint, save_checkpoint
from core.nn.language import Alphabet, Reader, bits_per_symbol, train
from core.nn.memory import keep_freed_memory
from core.nn.models import charlm
from core.nn.schedules import falling
from core.nn.serial import ModelError
from jobs._files import read_text
from jobs._models import save_model
from jobs._optional import need
from jobs.charlm._interrupts import Interrupts

if TYPE_CHECKING:
    from core.nn.protocols import Array
    from core.nn.trainer import Step

__all__ = ["Params", "main"]


@dataclass(frozen=True, kw_only=True)
class Params:
    """The text, the model and how it is trained."""

    input: Path = param(doc="The text, in UTF-8.")
    cell: str = param("lstm", doc="Kind of recurrent layer.", choices=("rnn", "gru", "lstm"))
    hidden: int = param(128, doc="Units of each recurrent layer.", ge=1)
    embedding: int | None = param(None, doc="Features of a character; hidden if empty.", ge=1)
    layers: int = param(1, doc="Recurrent layers on top of each other.", ge=1)
    dropout: float = param(0.0, doc="Share of outputs dropped in training, 0 to 1.", ge=0, lt=1)
    updates: int = param(2000, doc="Steps of the optimiser.", ge=1)
    batch: int = param(32, doc="Places in the text that are read side by side.", ge=1)
    steps: int = param(50, doc="Characters between two updates.", ge=1)
    learning_rate: float | None = param(
        None, doc="First step size, falling to 0 in a line (rnn 0.004, others 0.008).", gt=0
    )
    clip: float = param(5.0, doc="Largest norm of a gradient.", gt=0)
    compiled: bool = param(
        False, doc="Run the steps of gru and lstm with numba; the first time it compiles a while."
    )
    held_out: float = param(0.1, doc="Share of the text, its end, kept for the test.", gt=0, lt=1)
    onnx: bool = param(False, doc="Write model.onnx as well, which other programs run.")
    output: Path | None = param(None, doc="Where the files go; the job's own folder if empty.")
    resume: bool = param(False, doc="Go on from checkpoint.npz in that folder, if there is one.")
    checkpoint_every: int = param(
        500, doc="Updates between two checkpoints; one is also written when killed.", ge=1
    )


@job
def main(params: Params, run: Run) -> Outputs:
    """Train, measure, save."""
    keep_freed_memory()
    if params.compiled:
        need("numba", "charlm.train.compiled")
    if params.onnx:
        need("onnx", "charlm.train.onnx")
    text = read_text(params.input, "charlm.train.input")
    cut = round(len(text) * (1 - params.held_out))
    if len(text) - cut < 2:
        raise InputError(
            f"charlm.train.input = {params.input}: {len(text)} characters leave none to hold out"
        )
    alphabet = Alphabet.of(text)
    ids = alphabet.encode(text)
    folder = params.output or run.dir
    folder.mkdir(parents=True, exist_ok=True)
    task = _Task(
        params,
        run,
        ids=ids[:cut],
        held_out=ids[cut:],
        checkpoint=folder / "checkpoint.npz",
        symbols=len(alphabet),
    )
    task.begin(zlib.crc32(text.encode()))
    task.train()
    result = {**_measure(task), "characters": len(text), "alphabet": len(alphabet)}
    meta = {
        **result,
        "label": params.cell,
        "symbols": alphabet.symbols,
        "held_out": params.held_out,
        "history": task.trainer.history.columns,
    }
    model = (folder / "model.npz").absolute()
    onnx = {"state": True, "about": {"symbols": alphabet.symbols}} if params.onnx else None
    files = save_model(
        model, task.network, builder="charlm", settings=task.settings, meta=meta, onnx=onnx
    )
    write_text(folder / "result.json", json.dumps(result, indent=2) + "\n")
    task.checkpoint.unlink(missing_ok=True)
    bits = result["bits_per_char"]
    run.log(f"{params.cell}: {bits:.3f} bits per character on {len(ids) - cut} held-out ones")
    return {
        **files,
        "result": model.with_name("result.json"),
        "text": params.input.absolute(),
        "bits_per_char": bits,
    }


def _measure(task: _Task) -> dict[str, Any]:
    """Return the results and the speed of the training."""
    params, trainer = task.params, task.trainer
    tokens = trainer.updates * params.batch * params.steps
    return {
        "bits_per_char": bits_per_symbol(task.network, task.held_out),
        "updates": trainer.updates,
        "tokens_per_second": tokens / task.spent["wall"],
        "tokens_per_cpu_second": tokens / task.spent["cpu"],
        "cell": params.cell,
        "hidden": params.hidden,
        "parameters": trainer.parameters.values.size,
        "seed": task.run.seed,
    }


class _Task:
    """One training with its checkpoints."""

    def __init__(
        self,
        params: Params,
        run: Run,
        *,
        ids: Array,
        held_out: Array,
        checkpoint: Path,
        symbols: int,
    ) -> None:
        self.params = params
        self.run = run
        self.held_out = held_out
        self.checkpoint = checkpoint
        self.settings: dict[str, Any] = {
            "vocabulary": symbols,
            "hidden": params.hidden,
            "cell": params.cell,
            "embedding": params.embedding,
            "layers": params.layers,
            "dropout": params.dropout,
        }
        self.network: Sequential = charlm(**self.settings, rng=run.rng, compiled=params.compiled)
        try:
            self.reader = Reader(ids, batch=params.batch, steps=params.steps)
        except ValueError as error:
            raise InputError(f"charlm.train.input = {params.input}: {error}") from None
        rate = params.learning_rate or (0.004 if params.cell == "rnn" else 0.008)
        self.trainer = Trainer(
            self.network,
            CrossEntropy(),
            Adam(learning_rate=rate),
            rng=run.rng,
            clip=params.clip,
            schedule=falling(params.updates),
        )
        self.spent = {"wall": 0.0, "cpu": 0.0}
        self.losses: list[float] = []
        self.identity: dict[str, Any] = {}

    def begin(self, text: int) -> None:
        """Start, or continue from the checkpoint."""
        settings = asdict(self.params)
        for name in ("input", "output", "resume", "checkpoint_every", "onnx"):
            settings.pop(name)
        self.identity = {**settings, "seed": self.run.seed, "text": text}
        if not self.params.resume or not self.checkpoint.exists():
            return
        try:
            with self.checkpoint.open("rb") as stream:
                extra = load_checkpoint(stream, self.trainer)
        except ModelError as error:
            raise InputError(
                f"{self.checkpoint}: {error}, or set charlm.train.resume=false"
            ) from None
        for name, value in self.identity.items():
            if extra["identity"].get(name) != value:
                raise InputError(
                    f"{self.checkpoint}: was made with {name} = {extra['identity'].get(name)}, "
                    f"not {value}: set it so, or charlm.train.resume=false"
                )
        self.reader.position, self.reader.state = extra["position"], extra["state"]
        self.spent, self.losses = extra["spent"], extra["losses"]
        self.run.log(f"goes on at update {self.trainer.updates}")

    def save(self) -> None:
        """Write the checkpoint."""
        stream = io.BytesIO()
        extra = {
            "identity": self.identity,
            "position": self.reader.position,
            "state": self.reader.state,
            "spent": self.spent,
            "losses": self.losses,
        }
        save_checkpoint(stream, self.trainer, extra)
        write_bytes(self.checkpoint, stream.getvalue())

    def train(self) -> None:
        """Run to the end, or until a signal, which takes effect after the checkpoint."""
        every = max(1, self.params.updates // 10)
        with Interrupts() as interrupts:
            clock = _Clock(self.spent)

            def after(step: Step) -> bool:
                self.losses.append(step.loss)
                done = self.trainer.updates
                if done % every == 0 or done == self.params.updates:
                    clock.stop()
                    self._report()
                    clock.start()
                if interrupts.pending is not None:
                    clock.stop()
                    self.save()
                    self.run.log(f"stopped at update {done}: {self.checkpoint} is kept")
                    return True
                if done % self.params.checkpoint_every == 0 and done < self.params.updates:
                    self.save()
                return False

            try:
                train(self.trainer, self.reader, updates=self.params.updates, after=after)
            except TrainingError as error:
                raise InputError(f"charlm: {error}") from None
            clock.stop()

    def _report(self) -> None:
        bits = bits_per_symbol(self.network, self.held_out[:20_000])
        mean = sum(self.losses) / len(self.losses)
        self.losses.clear()
        self.trainer.history.append(
            update=self.trainer.updates, training_bits=mean / math.log(2), bits=bits
        )
        self.run.log(
            f"update {self.trainer.updates}/{self.params.updates}: "
            f"{mean / math.log(2):.3f} bits per character in training, "
            f"{bits:.3f} held out, {self.spent['wall']:.1f} s"
        )


class _Clock:
    """Counts the seconds of training, without those of measuring and saving."""

    def __init__(self, spent: dict[str, float]) -> None:
        self.spent = spent
        self.running = False
        self.start()

    def start(self) -> None:
        self.wall, self.cpu, self.running = time.perf_counter(), time.process_time(), True

    def stop(self) -> None:
        if self.running:
            self.spent["wall"] += time.perf_counter() - self.wall
            self.spent["cpu"] += time.process_time() - self.cpu
        self.running = False


if __name__ == "__main__":
    main.start()
