"""The mark of an update or upgrade that is under way, which a kill leaves behind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from azkaban_client.files import write_private
from setup.called import called
from setup.errors import ServerError

__all__ = ["Mark"]


@dataclass(frozen=True)
class Mark:
    """A file that exists while two states are mixed; it contains the folder of the earlier one.

    Attributes
    ----------
    file
        In the folder that is changed.
    change
        What changes it, with its article: ``an update``.
    again, back
        The commands that begin it again, and that only go back.
    """

    file: Path
    change: str
    again: str
    back: str

    def set(self, folder: Path) -> None:
        """Say from now on that the state is mixed, and where the earlier one is saved."""
        write_private(self.file, str(folder))

    def clear(self) -> None:
        """Say that the state is whole."""
        self.file.unlink(missing_ok=True)

    @property
    def interrupted(self) -> bool:
        """Whether a change was begun and did not end."""
        return self.file.is_file()

    @property
    def folder(self) -> Path | None:
        """Where the earlier state is saved; None where nothing was interrupted."""
        try:
            folder = self.file.read_text(encoding="utf-8")
        except OSError:
            return None
        return Path(folder) if folder else None

    def refuse(self) -> None:
        """Refuse to go on with a mixture of two states.

        Raises
        ------
        ServerError
            With the ways out.
        """
        if self.interrupted:
            raise ServerError(
                f"{self.file.parent}: {self.change} was interrupted half-way; run {called()} "
                f"{self.again}, which goes back first and then begins again, or {called()} "
                f"{self.back}, which only goes back"
            )
