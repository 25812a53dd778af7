"""Read and write the files that jobs exchange: texts, tables, records of arrays."""

from __future__ import annotations

import csv
import io
import json
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from azkaban_client.job import InputError, write_bytes
from core.damaged import DAMAGED

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import DataclassInstance

__all__ = ["load_record", "read_rows", "read_text", "read_texts", "save_record"]

R = TypeVar("R")


def read_text(path: Path | str, key: str) -> str:
    """Read a text in UTF-8, or standard input for ``-``.

    Parameters
    ----------
    path
        The file.
    key
        The property that named it, for messages.

    Raises
    ------
    InputError
        It cannot be read, or is in another encoding.
    """
    try:
        if str(path) == "-":
            return sys.stdin.buffer.read().decode("utf-8-sig")
        return Path(path).expanduser().read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{key} = {path}: not UTF-8 (byte {error.start}); convert it, say with iconv"
        ) from None
    except OSError as error:
        raise InputError(f"{key} = {path}: {error.strerror}") from None


def read_texts(names: str, key: str) -> list[str]:
    """Read several texts, whose names are separated by commas; a folder stands for its .txt files.

    Raises
    ------
    InputError
        One cannot be read, or there is none.
    """
    found: list[Path] = []
    for name in names.split(","):
        path = Path(name.strip()).expanduser()
        files = sorted(path.glob("*.txt")) if path.is_dir() else [path]
        if not files:
            raise InputError(f"{key} = {name}: the folder has no .txt file")
        found += files
    return [read_text(path, key) for path in found]


def read_rows(path: Path, key: str, columns: str) -> list[list[str]]:
    """Read a CSV file with a header, and skip empty lines.

    Parameters
    ----------
    path, key
        The file, and the property that named it.
    columns
        What its columns should hold, for messages: "a text and its class".

    Raises
    ------
    InputError
        It cannot be read, or has no rows below its header.
    """
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = [row for row in csv.reader(stream) if row]
    except OSError as error:
        raise InputError(f"{key} = {path}: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error):
        raise InputError(f"{key} = {path}: not a CSV file in UTF-8") from None
    if len(rows) < 2:
        raise InputError(f"{key} = {path}: expected a header and rows of {columns}")
    return rows


def save_record(record: DataclassInstance, path: Path) -> None:
    """Write a dataclass as an ``.npz`` file: arrays as they are, all else as JSON."""
    import numpy as np

    values = {f.name: getattr(record, f.name) for f in fields(record)}
    arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
    others = {name: value for name, value in values.items() if name not in arrays}
    stream = io.BytesIO()
    arrays["others"] = np.frombuffer(json.dumps(others).encode(), dtype=np.uint8)
    np.savez_compressed(stream, allow_pickle=False, **arrays)
    write_bytes(path, stream.getvalue())


def load_record(kind: Callable[..., R], path: Path, where: str, writer: str) -> R:
    """Read a dataclass that `save_record` wrote.

    Parameters
    ----------
    kind
        Its class.
    path
        The file.
    where, writer
        The property that names the file and the job that makes such files, for messages.

    Raises
    ------
    InputError
        It is another file.
    """
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as archive:
            values: dict[str, Any] = {name: archive[name] for name in archive.files}
        others = json.loads(values.pop("others").tobytes())
        values |= {k: tuple(v) if isinstance(v, list) else v for k, v in others.items()}
        return kind(**values)
    except OSError as error:
        raise InputError(f"{where}: {error.strerror or 'cannot be read'}") from None
    except DAMAGED:
        raise InputError(f"{where}: not a file that {writer} wrote") from None
