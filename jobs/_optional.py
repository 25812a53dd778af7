"""Check for packages that jobs can do without."""

from __future__ import annotations

from importlib.util import find_spec

from azkaban_client.job import InputError

__all__ = ["need_numba"]


def need_numba(name: str) -> None:
    """Refuse a parameter that asks for compiled code if there is no compiler."""
    if find_spec("numba") is None:
        raise InputError(
            f"{name} = true: needs the package numba, which "
            "azkaban-jobflow env --with routing installs"
        )
