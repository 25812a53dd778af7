"""Packages that load their modules when they are used: a job starts with what it needs alone."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["lazily"]


def lazily(package: str, homes: Mapping[str, tuple[str, ...]]) -> Callable[[str], Any]:
    """Return a package's ``__getattr__``, which imports names from its modules.

    Parameters
    ----------
    package
        Its name.
    homes
        The names in each of its modules.

    Examples
    --------
    >>> get = lazily("core", {"checks": ("count", "share")})
    >>> get("count").__module__
    'core.checks'
    >>> get("counts")
    Traceback (most recent call last):
        ...
    AttributeError: module 'core' has no attribute 'counts'
    """

    def get(name: str) -> Any:
        for module, names in homes.items():
            if name in names:
                return getattr(import_module(f"{package}.{module}"), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return get
