"""Functions compiled by numba, an optional package, with machine code that is kept.

numba keeps what it compiles by the place of the source. Azkaban runs each job from a new copy of
its project, so that each run would compile again, which takes longer than most runs. Where
``NUMBA_CACHE_DIR`` names a folder, the code is kept there by the content of the sources instead,
all of `core` together: numba does not notice a change of a function that another one has inlined.
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numba
from numba.core import caching

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BySources", "compiled"]

F = TypeVar("F", bound="Callable[..., Any]")

_config: Any = numba.config
_TOP = Path(__file__).parent
_OTHERWISE = "InTreeCacheLocator,UserWideCacheLocator,IPythonCacheLocator,ZipCacheLocator"


@functools.cache
def _digest() -> str:
    """Tell one state of the sources from all others."""
    found = hashlib.sha256()
    for path in sorted(_TOP.rglob("*.py")):
        content = path.read_bytes()
        found.update(f"{path.relative_to(_TOP)} {len(content)}\n".encode() + content)
    return found.hexdigest()[:16]


class BySources(caching.UserProvidedCacheLocator):
    """Where the code of a function of `core` is kept: a folder for each state of the sources."""

    @classmethod
    def get_suitable_cache_subpath(cls, py_file: str) -> str:
        """Name the folder within ``NUMBA_CACHE_DIR``."""
        package = Path(py_file).parent.relative_to(_TOP.parent)
        return f"{_digest()}/{'.'.join(package.parts)}"


def compiled(**options: Any) -> Callable[[F], F]:
    """Compile a function at its first call, or take its code from the cache.

    Parameters
    ----------
    options
        Those of `numba.njit`.
    """

    def decorate(function: F) -> F:
        before = _config.CACHE_LOCATOR_CLASSES
        _config.CACHE_LOCATOR_CLASSES = f"{__name__}.{BySources.__name__},{_OTHERWISE}"
        try:
            made: F = numba.njit(cache=True, **options)(function)
        finally:
            _config.CACHE_LOCATOR_CLASSES = before
        return made

    return decorate
