"""What the standard library and numpy raise on a file that is cut short or changed."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib

__all__ = ["DAMAGED"]

# A flipped bit may say anything: that a part of a zip file is encrypted (RuntimeError), packed by a
# method of its own (NotImplementedError), or an array larger than memory.
DAMAGED = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RecursionError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    lzma.LZMAError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""Every kind of error that a reader of such a file turns into its own."""
