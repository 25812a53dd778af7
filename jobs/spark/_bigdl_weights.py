"""Convert networks of `core.nn`, with their weights, to networks of BigDL and back.

BigDL's own layers make the text classifier that `core.nn.models.textclass` makes with an LSTM in
both directions and the mean over steps: the same function of the same parameters. So both trainers
can begin at the same weights, and what BigDL learnt is a model file like any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["classifier", "from_bigdl", "to_bigdl"]

Floats = npt.NDArray[np.float32]

# BigDL's LSTM has its gates in the order i, g, f, o; ours i, f, g, o. Swapped twice they are back.
_GATES = (0, 2, 1, 3)
_WAYS = ("ahead", "back")


def classifier(vocabulary: int, classes: int, embedding: int, hidden: int) -> Any:
    """Build BigDL's network: rows of word numbers from 1 on to log probabilities."""
    from bigdl.dllib.nn.layer import (
        LSTM,
        BiRecurrent,
        JoinTable,
        Linear,
        LogSoftMax,
        LookupTable,
        Mean,
        Sequential,
    )

    both = BiRecurrent(JoinTable(3, 3)).add(LSTM(embedding, hidden))
    model = Sequential().add(LookupTable(vocabulary, embedding)).add(both)
    return model.add(Mean(2)).add(Linear(2 * hidden, classes)).add(LogSoftMax())


def to_bigdl(params: Mapping[str, npt.NDArray[Any]]) -> list[Floats]:
    """Order parameters of `core.nn.models.textclass` as BigDL's ``set_weights`` wants them.

    Parameters
    ----------
    params
        Parameters of a network without dropout, with ``cell="lstm"`` and ``pool="mean"``.

    Examples
    --------
    >>> from core.nn.models import textclass
    >>> rng, same = np.random.default_rng(0), {"cell": "lstm", "pool": "mean", "hidden": 2}
    >>> net = textclass(vocabulary=9, classes=3, embedding=4, rng=rng, **same)
    >>> [array.shape for array in to_bigdl(net.params)][:4]
    [(9, 4), (8, 4), (8,), (8, 2)]
    >>> back = from_bigdl(to_bigdl(net.params))
    >>> all((back[name] == array).all() for name, array in net.params.items())
    True
    """
    found = [params["0.E"]]
    for way in _WAYS:
        names = ("project.W", "project.b", "U")
        found += [_swap(params[f"2.{way}.{name}"]).T for name in names]
    found += [params["5.W"].T, params["5.b"]]
    return [np.ascontiguousarray(array, dtype=np.float32) for array in found]


def from_bigdl(weights: Sequence[npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """Name what BigDL's ``get_weights`` gives as `core.nn.models.textclass` does."""
    found = {"0.E": weights[0], "5.W": weights[7].T, "5.b": weights[8]}
    for way, at in zip(_WAYS, (1, 4), strict=True):
        for name, array in zip(("project.W", "project.b", "U"), weights[at : at + 3], strict=True):
            found[f"2.{way}.{name}"] = _swap(array.T)
    return found


def _swap(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Change the order of the gates, which stand side by side in the last axis."""
    gates = np.split(array, len(_GATES), axis=-1)
    return np.concatenate([gates[at] for at in _GATES], axis=-1)
