"""Functions compiled by numba, an optional package, with machine code that is kept.

numba keeps what it compiles by the place of the source. Azkaban runs each job from a new copy of
its project, so that each run would compile again, which takes longer than most runs. Where
``NUMBA_CACHE_DIR`` names a folder, the code is kept there by the content of the sources instead,
all of `core` together: numba does not notice a change of a function that another one has inlined.
"""

from __future__ import annotations

import functools
import hashlib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numba
from numba.core import caching

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from importlib.resources.abc import Traversable

__all__ = ["BySources", "compiled", "kept"]

F = TypeVar("F", bound="Callable[..., Any]")

_config: Any = numba.config
_TOP = Path(__file__).parent
_OTHERWISE = "InTreeCacheLocator,UserWideCacheLocator,IPythonCacheLocator,ZipCacheLocator"


@functools.cache
def _digest() -> str:
    """Tell one state of the sources from all others, be they files or in a zip."""
    found = hashlib.sha256()
    for name, source in sorted(_sources(resources.files(__package__), "")):
        found.update(f"{name} {len(source)}\n".encode() + source)
    return found.hexdigest()[:16]


def _sources(folder: Traversable, place: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _sources(entry, f"{place}{entry.name}/")
        elif entry.name.endswith(".py"):
            yield f"{place}{entry.name}", entry.read_bytes()


def kept() -> Path | None:
    """Return the folder where this state's code is kept, None where no variable names one."""
    return Path(_config.CACHE_DIR, _digest()) if _config.CACHE_DIR else None


class BySources(caching.UserProvidedCacheLocator):
    """Where the code of a function of `core` is kept: a folder for each state of the sources."""

    @classmethod
    def from_function(cls, function: Any, file: str) -> Self | None:
        """Make a locator, if there is a folder; numba's own would pass over sources in a zip."""
        if not _config.CACHE_DIR:
            return None
        found: Any = cls(function, file)
        try:
            found.ensure_cache_path()
        except OSError:
            return None
        return found  # type: ignore[no-any-return] # numba is not typed

    def get_source_stamp(self) -> str:
        """Tell whether kept code is of these sources: its folder does."""
        return _digest()

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
