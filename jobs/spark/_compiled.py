"""Call compiled functions of `core` on executors; the driver compiles for all of them.

Compiling takes longer than most searches, and each executor would do it anew. So what numba keeps
of it travels with the calls, which executors of the same kind of processor use as it is; others
compile for themselves, and keep it until the application ends.
"""

from __future__ import annotations

import os
import pickle
import resource
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azkaban_client.job import write_bytes
from jobs.spark._common import spark_map

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["CompiledMap", "peak_mb"]

_FOLDER = "NUMBA_CACHE_DIR"


class CompiledMap:
    """A ``map`` whose calls run on executors, with what was compiled here before each.

    Make it before any compiled module of `core` is imported.

    Parameters
    ----------
    context
        Spark's.

    Attributes
    ----------
    peak_mb
        Most memory of the Python of a task so far, in MB; 0 before the first.
    """

    def __init__(self, context: Any) -> None:
        self._context = context
        self._share = spark_map(context)
        self.peak_mb = 0.0
        _keep_code()

    def __call__(self, function: Callable[..., Any], *columns: Iterable[Any]) -> list[Any]:
        """Call `function` with each row of the columns, in a task each."""
        code = self._context.broadcast(_code())
        # In bytes: a call that Spark unpickles would import what is compiled, before it is there.
        calls = [pickle.dumps((function, row)) for row in zip(*columns, strict=True)]
        try:
            found = self._share(partial(_call, code), calls)
        finally:
            code.unpersist()
        self.peak_mb = max([self.peak_mb, *(peak for _, peak in found)])
        return [value for value, _ in found]


def _keep_code() -> None:
    """Let numba keep what it compiles, for this application where no other folder is named."""
    from pyspark import SparkFiles

    os.environ.setdefault(_FOLDER, str(Path(SparkFiles.getRootDirectory()).absolute()))


def _code() -> dict[str, bytes]:
    """Read what is compiled of this state of `core`; nothing without numba."""
    try:
        from core._compile import kept
    except ImportError:
        return {}
    if not (folder := kept()):
        return {}
    files = sorted(folder.rglob("*.nb?"))  # an index comes after what it lists
    return {str(file.relative_to(folder.parent)): file.read_bytes() for file in files}


def peak_mb() -> float:
    """Return the most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _call(code: Any, call: bytes) -> tuple[Any, float]:
    """Call a function in a task, with the compiled code of the driver."""
    _keep_code()
    for name, data in code.value.items():
        file = Path(os.environ[_FOLDER], name)
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(file, data)
    function, row = pickle.loads(call)  # noqa: S301 (of the driver, as all that Spark runs)
    return function(*row), peak_mb()
