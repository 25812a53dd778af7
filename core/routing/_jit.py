"""Compile kernels if numba is installed; otherwise run the same code in plain Python.

Kernels only index flat sequences, so that one source serves both: `native` passes them arrays if
they are compiled, and lists otherwise (Python reads a list element three times faster than an
array's).
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["COMPILED", "kernel", "native"]

F = TypeVar("F", bound="Callable[..., Any]")

COMPILED: bool = importlib.util.find_spec("numba") is not None


def kernel(function: F) -> F:
    """Compile `function` if numba is installed; its machine code is cached on disk."""
    if not COMPILED:
        return function
    from core._compile import compiled

    # Kernels allocate nothing, so they do not need numba's reference counting ("nrt"), which took
    # four fifths of the time of a search step, where `leg` is called everywhere.
    return compiled(nogil=True, _nrt=False)(function)


def native(array: NDArray[Any]) -> Any:
    """Copy `array` into the sequence that kernels are fastest on."""
    return array.copy() if COMPILED else array.tolist()
