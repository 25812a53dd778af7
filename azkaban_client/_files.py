"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["whole"]


@contextlib.contextmanager
def whole(path: Path, *, mode: int = 0o644) -> Iterator[IO[bytes]]:
    """Open a file for writing that gets its name when it is complete.

    Parameters
    ----------
    path
        Its folder exists; a file that is there is replaced.
    mode
        Of the complete file; until then only its owner can read it.

    Raises
    ------
    OSError
        The disk is full, the folder not writable ...; nothing is left behind, as after any error.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
