"""What becomes of a flow's features on another scheduler, or of another scheduler's on Azkaban."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Loss", "Losses", "is_exact"]

Degree = Literal["exact", "approximated", "lost"]


@dataclass(frozen=True)
class Loss:
    """What becomes of a feature.

    Attributes
    ----------
    feature
        What the flow uses, in Azkaban's words.
    degree
        Whether the other scheduler does the same.
    how
        What it does.
    where
        The jobs or files that use it.
    """

    feature: str
    degree: Degree
    how: str
    where: str


@dataclass
class Losses:
    """What an export found, in the order of its finding."""

    found: list[Loss] = field(default_factory=list)

    def exact(self, feature: str, how: str, where: str = "") -> None:
        """Note a feature that the other scheduler has as well."""
        self.found.append(Loss(feature, "exact", how, where))

    def approximated(self, feature: str, how: str, where: str = "") -> None:
        """Note a feature that becomes something like it."""
        self.found.append(Loss(feature, "approximated", how, where))

    def lost(self, feature: str, how: str, where: str = "") -> None:
        """Note a feature that the other scheduler does not have."""
        self.found.append(Loss(feature, "lost", how, where))


def is_exact(losses: Iterable[Loss]) -> bool:
    """Tell whether nothing is lost or approximated."""
    return all(loss.degree == "exact" for loss in losses)
