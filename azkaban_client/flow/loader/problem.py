"""One finding of the linter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Problem"]


@dataclass(frozen=True)
class Problem:
    """One finding.

    Attributes
    ----------
    file, line
        Where it is; the line is None if it concerns the whole file.
    rule
        Its short name, for example ``missing-dependency``.
    message
        What is wrong and what to do.
    severity
        ``error``: the upload is refused or the flow fails. ``warning``: it may be intended.
    """

    file: str
    line: int | None
    rule: str
    message: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.severity}: {self.message}"
