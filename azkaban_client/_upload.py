"""A multipart body that is read from the file while it is sent, with a known length."""

from __future__ import annotations

import re
import uuid
from typing import IO, TYPE_CHECKING

from azkaban_client import columns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["MultipartStream"]


def _header_safe(filename: str) -> str:
    """Return a name that fits into a header and into the server's table."""
    safe = re.sub(r'[\x00-\x1f\x7f"\\]', "_", filename)
    return safe if len(safe) <= columns.ZIP else f"{safe[: columns.ZIP - 4]}{safe[-4:]}"


class MultipartStream:
    """The form fields, then one file; readable from the start again with `rewind`.

    Parameters
    ----------
    fields
        Plain form fields.
    stream
        The file, opened for reading in binary mode, at its start.
    size
        Its size in bytes.
    filename
        What the server is told; servers from 3.78 on want ``.zip`` at its end.
    progress
        Called with the bytes of the file sent so far and its size.

    Examples
    --------
    >>> import io
    >>> body = MultipartStream({"a": "1"}, io.BytesIO(b"zip"), 3, "p.zip")
    >>> data = body.read()
    >>> len(data) == len(body), b"zip" in data
    (True, True)
    """

    def __init__(
        self,
        fields: Mapping[str, str],
        stream: IO[bytes],
        size: int,
        filename: str,
        progress: Callable[[int, int], object] | None = None,
    ) -> None:
        boundary = uuid.uuid4().hex
        self.content_type = f"multipart/form-data; boundary={boundary}"
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'
            for name, text in fields.items()
        ]
        safe = _header_safe(filename)
        parts.append(
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{safe}"\r\n'
            "Content-Type: application/zip\r\n\r\n"
        )
        self._head = "".join(parts).encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self._stream, self._size, self._progress = stream, size, progress
        self._position = 0

    def __len__(self) -> int:
        return len(self._head) + self._size + len(self._tail)

    def tell(self) -> int:
        """Return the number of bytes read so far."""
        return self._position

    def rewind(self) -> None:
        """Start again from the first byte."""
        self._stream.seek(0)
        self._position = 0

    def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes of the body; -1 reads all of it."""
        if size < 0:
            return b"".join(iter(lambda: self.read(1 << 16), b""))
        piece = self._piece(size)
        self._position += len(piece)
        return piece

    def _piece(self, size: int) -> bytes:
        into_file = self._position - len(self._head)
        if into_file < 0:
            return self._head[self._position : self._position + size]
        if into_file < self._size:
            piece = self._stream.read(min(max(size, 1 << 16), self._size - into_file))
            if not piece:
                raise OSError(f"the file became shorter while it was sent ({into_file} bytes)")
            if self._progress is not None:
                self._progress(into_file + len(piece), self._size)
            return piece
        into_tail = into_file - self._size
        return self._tail[into_tail : into_tail + size]
