"""Check for packages that jobs can do without."""

from __future__ import annotations

from importlib.util import find_spec

from azkaban_client.job import InputError

__all__ = ["need"]

# The layers of the environment that they are in.
_LAYERS = {"numba": "routing", "onnx": "onnx"}


def need(package: str, name: str) -> None:
    """Refuse a parameter that needs an optional package which is missing."""
    if find_spec(package) is None:
        raise InputError(
            f"{name} = true: needs the package {package}, which "
            f"azkaban-jobflow env --with {_LAYERS[package]} installs"
        )
