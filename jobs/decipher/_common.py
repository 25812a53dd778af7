"""What the decipherment jobs share: models and texts from files, and a solution on disk."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from azkaban_client.job import InputError
from core.decipher import LanguageModel, ModelFileError, english

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.decipher import Solution

__all__ = ["Found", "load_model", "passages", "read_text"]


def load_model(path: Path | None, key: str) -> LanguageModel:
    """Read a model file named by the property `key`; without one, take the English model."""
    if path is None:
        return english()
    try:
        return LanguageModel.from_bytes(path.expanduser().read_bytes())
    except ModelFileError as error:
        raise InputError(f"{key} = {str(path)!r}: {error}") from None
    except OSError as error:
        raise InputError(f"{key} = {str(path)!r}: {error.strerror}") from None


def read_text(name: str, key: str) -> str:
    """Read a UTF-8 file, or standard input for ``-``."""
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).expanduser().read_bytes()
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{key} = {name!r}: not UTF-8 (byte {error.start}); convert it, say with iconv"
        ) from None
    except OSError as error:
        raise InputError(f"{key} = {name!r}: {error.strerror}") from None


def passages() -> dict[str, dict[str, str]]:
    """Return the held-out passages that come along: name -> text and source."""
    data = files("core.decipher").joinpath("data/passages.json").read_text(encoding="utf-8")
    found: dict[str, dict[str, str]] = json.loads(data)
    return found


@dataclass(frozen=True, eq=False)
class Found:
    """A solution as it travels between jobs, in one .npz file."""

    alphabet: str
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
    def of(cls, solution: Solution, method: str) -> Found:
        """Take what the report needs."""
        return cls(
            alphabet=solution.cipher.alphabet.letters,
            ciphertext=solution.cipher.text,
            plaintext=solution.plaintext,
            readings=np.array([text for _, text in solution.readings]),
            chances=np.array([value for value, _ in solution.readings]),
            words=solution.words,
            spaces=solution.spaces,
            key=solution.key,
            posterior=solution.posterior,
            trace=solution.trace,
            acceptance_rate=solution.acceptance_rate,
            log_probability=solution.log_probability,
            agreed=solution.agreed,
            proposals=solution.proposals,
            method=method,
            warnings=np.array(solution.warnings, dtype=np.str_),
        )

    def save(self, path: Path) -> None:
        """Write the file whole or not at all."""
        part = path.with_name(f".{path.stem}.part.npz")
        arrays: dict[str, Any] = vars(self)
        np.savez_compressed(part, **arrays)
        part.replace(path)

    @classmethod
    def load(cls, path: Path, key: str) -> Found:
        """Read what `save` wrote."""
        try:
            with np.load(path.expanduser()) as stored:
                return cls(
                    **{
                        name: stored[name] if stored[name].ndim else stored[name].item()
                        for name in stored.files
                    }
                )
        except (OSError, ValueError, TypeError, EOFError, BadZipFile) as error:
            raise InputError(
                f"{key} = {str(path)!r}: not a solution.npz of jobs.decipher.solve ({error})"
            ) from None
