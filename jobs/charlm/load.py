"""Load the text for character models: your file, or one that comes with every Python.

    python -m jobs.charlm.load --file book.txt

Without a file it is the language reference that Python's own ``help()`` shows. Writes text.txt.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from azkaban_client.job import InputError, Outputs, Run, job, param, write_text
from jobs._files import read_text

__all__ = ["Params", "main"]


@dataclass(frozen=True, kw_only=True)
class Params:
    """Which text."""

    file: Path | None = param(None, doc="A text in UTF-8; Python's language reference if empty.")
    characters: int | None = param(
        None, doc="Take this many characters from the start; all if empty.", ge=1000
    )


@job
def main(params: Params, run: Run) -> Outputs:
    """Read, cut, write."""
    text = read_text(params.file, "charlm.load.file") if params.file else _reference()
    text = text[: params.characters]
    if len(text) < 1000:
        raise InputError(
            f"charlm.load.file = {params.file}: {len(text)} characters, at least 1000 needed"
        )
    path = run.dir / "text.txt"
    write_text(path, text)
    run.log(f"{len(text)} characters, {len(set(text))} different ones")
    return {"text": path, "characters": len(text)}


def _reference() -> str:
    try:
        from pydoc_data.topics import topics
    except ImportError:
        raise InputError(
            "this Python comes without its language reference: set charlm.load.file"
        ) from None
    return "\n\n".join(topics[name] for name in sorted(topics))


if __name__ == "__main__":
    main.start()
