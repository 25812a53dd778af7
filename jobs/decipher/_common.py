"""Read models and texts, and store solutions, for the decipherment jobs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from azkaban_client.job import InputError
from core.decipher import Alphabet, HomophonicText, LanguageModel, ModelFileError, english
from jobs._files import load_record, save_record

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.decipher import CipherText, Solution

__all__ = ["StoredSolution", "load_model", "passages"]


def load_model(path: Path | None, key: str) -> LanguageModel:
    """Read the model file that the property `key` names; without one, use the English model."""
    if path is None:
        return english()
    try:
        return LanguageModel.from_bytes(path.read_bytes())
    except ModelFileError as error:
        raise InputError(f"{key} = {str(path)!r}: {error}") from None
    except OSError as error:
        raise InputError(f"{key} = {str(path)!r}: {error.strerror}") from None


def passages() -> dict[str, dict[str, str]]:
    """Return the held-out passages that ship with the project: name -> text and source."""
    data = files("core.decipher").joinpath("data/passages.json").read_text(encoding="utf-8")
    found: dict[str, dict[str, str]] = json.loads(data)
    return found


@dataclass(frozen=True, eq=False)
class StoredSolution:
    """A solution as it travels between jobs, in one .npz file."""

    alphabet: str
    homophonic: bool
    ciphertext: str
    plaintext: str
    readings: NDArray[np.str_]
    chances: NDArray[np.float64]
    words: str
    spaces: bool
    key: NDArray[np.int64]
    posterior: NDArray[np.float64]
    trace: NDArray[np.float64]
    acceptance_rate: NDArray[np.float64]
    log_probability: float
    agreed: int
    proposals: int
    method: str
    warnings: NDArray[np.str_]

    @classmethod
    def of(cls, solution: Solution, method: str) -> StoredSolution:
        """Take from a solution what the report needs."""
        return cls(
            alphabet=solution.cipher.alphabet.letters,
            homophonic=isinstance(solution.cipher, HomophonicText),
            ciphertext=solution.cipher.text,
            plaintext=solution.plaintext,
            readings=np.array([text for _, text in solution.readings]),
            chances=np.array([value for value, _ in solution.readings]),
            words=solution.words,
            spaces=bool(solution.spaces),
            key=solution.key,
            posterior=solution.posterior,
            trace=solution.trace,
            acceptance_rate=solution.acceptance_rate,
            log_probability=float(solution.log_probability),
            agreed=int(solution.agreed),
            proposals=int(solution.proposals),
            method=method,
            warnings=np.array(solution.warnings, dtype=np.str_),
        )

    @property
    def cipher(self) -> CipherText:
        """The ciphertext, read as it was for the search."""
        alphabet = Alphabet(self.alphabet)
        read = alphabet.read_homophonic if self.homophonic else alphabet.read
        return read(self.ciphertext)

    def save(self, path: Path) -> None:
        """Write the file atomically."""
        save_record(self, path)

    @classmethod
    def load(cls, path: Path, key: str) -> StoredSolution:
        """Read what `save` wrote; `key` is the property that named it."""
        return load_record(cls, path, f"{key} = {path}", "jobs.decipher.solve")
