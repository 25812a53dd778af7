"""Share what trainings by other libraries need: our network, and how its model is saved."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from azkaban_client.job import InputError, Outputs, Run, param
from core.nn import softmax
from jobs._texts import Corpus
from jobs._training import save
from jobs.textclass import train as textclass
from jobs.textclass.train import prepare

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy.typing as npt

    from azkaban_client.job import Page
    from jobs._training import Setting

__all__ = ["CHECKED", "LibraryTraining", "Params"]

CHECKED = 64  # number of texts on which both networks must agree
_AGREE = 1e-3  # in log probabilities, float32


@dataclass(frozen=True, kw_only=True)
class Params:
    """The network, and how it is trained."""

    data: Path = param(doc="The texts.npz of jobs.textclass.load.")
    embedding: int = param(64, doc="Features of a word.", ge=1)
    hidden: int = param(64, doc="Units of the LSTM in each direction.", ge=1)
    epochs: int = param(5, doc="Passes over the texts.", ge=1)
    batch_size: int = param(128, doc="Texts per update; a multiple of the processes.", ge=1)
    learning_rate: float = param(0.003, doc="Step size of Adam.", gt=0)
    label: str = param(doc="What the report calls it.")

    @property
    def plain(self) -> textclass.Params:
        """The same network and training by `jobs.textclass.train`."""
        own = ("data", "embedding", "hidden", "epochs", "batch_size", "learning_rate", "label")
        same = {name: getattr(self, name) for name in own}
        return textclass.Params(cell="lstm", pool="mean", dropout=0.0, **same)


@dataclass(frozen=True)
class LibraryTraining:
    """A training by another library, which begins and ends with a network of ours.

    Attributes
    ----------
    params
        How it is trained.
    corpus
        The texts, all of one length.
    setting
        Our network with its first weights, and the split of the texts.
    """

    params: Params
    corpus: Corpus
    setting: Setting

    @classmethod
    def begin(cls, params: Params, run: Run) -> LibraryTraining:
        """Read the texts and make our network.

        Raises
        ------
        InputError
            When texts differ in length, because none of these trainings supports padding.
        """
        corpus = Corpus.load(params.data)
        if not (corpus.x_train.all() and corpus.x_test.all()):
            raise InputError(
                f"{run.prefix}.data = {params.data}: texts differ in length, and this training "
                "knows no padding: make them by jobs.textclass.load with min_words as large as "
                "max_words"
            )
        return cls(params, corpus, prepare(params.plain, corpus, np.random.default_rng(run.seed)))

    def take(
        self, weights: Mapping[str, npt.NDArray[Any]], history: Iterable[Mapping[str, float]]
    ) -> None:
        """Copy the learnt weights into our network, and the losses by epoch into its history."""
        for name, values in weights.items():
            self.setting.trainer.network.params[name][...] = values
        for row in history:
            self.setting.trainer.history.append(**row)

    def finish(self, run: Run, page: Page, seconds: float, logits: npt.NDArray[Any]) -> Outputs:
        """Check that our network equals theirs, then measure, save and report.

        Parameters
        ----------
        run
            Whose folder gets the model and the report.
        page
            Gets the results.
        seconds
            That training took.
        logits
            What the other library's network gives for the first `CHECKED` held texts; log
            probabilities will do.

        Raises
        ------
        RuntimeError
            When our network with the same weights gives something else.
        """
        apart = self._apart(logits)
        scores = self.setting.trainer.evaluate(*self.setting.held[:2])
        label, model = self.params.label, run.dir / "model.npz"
        save(model, self.setting, label, self.corpus, scores, seconds=seconds)
        rate = self.setting.train[1].size * self.params.epochs / seconds
        right = f"{scores['accuracy']:.1%}"
        run.log(f"{label}: {right} of the validation texts right, {rate:.0f} texts/s")
        results = [
            ("validation accuracy", right),
            ("validation loss", f"{scores['loss']:.4f}"),
            ("seconds", round(seconds, 1)),
            ("texts per second", round(rate)),
            ("largest difference from our network, in log probabilities", f"{apart:.1e}"),
        ]
        page.facts("Result", results)
        run.report(page)
        return {
            "model": model,
            "data": self.params.data.absolute(),
            "train_seconds": round(seconds, 2),
            "texts_per_second": round(rate, 1),
            **scores,
        }

    def _apart(self, logits: npt.NDArray[Any]) -> float:
        """Return the largest difference between both networks, in log probabilities."""
        here, _ = self.setting.trainer.network.forward(self.setting.held[0][:, :CHECKED])
        both = [np.log(softmax(part.astype(np.float64))) for part in (here, logits)]
        apart = float(np.abs(both[0] - both[1]).max())
        if not apart < _AGREE:
            raise RuntimeError(
                f"the network of {self.params.label} is not ours: {apart:g} apart; please report "
                "this"
            )
        return apart
