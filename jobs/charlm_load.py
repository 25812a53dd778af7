"""Take the text that character models learn from: a file of yours, or one that every Python has.

    python -m jobs.charlm_load --prop text.file=book.txt

Without a file it is the language reference that Python's own ``help()`` shows. Writes text.txt.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 (the types of parameters are read at run time)

from jobs._nn import read_text
from jobs._params import param
from jobs._runtime import InputError, Job, Outputs, Spec, main, write_text

__all__ = ["JOB", "Params", "run"]


@dataclass(frozen=True, kw_only=True)
class Params:
    """Which text."""

    file: Path | None = param(None, doc="A text in UTF-8; Python's language reference if empty.")
    characters: int | None = param(
        None, doc="Take this many characters from the start; all if empty.", ge=1000
    )


def run(params: Params, job: Job) -> Outputs:
    """Read, cut, write."""
    text = read_text(params.file, "text.file") if params.file else _reference()
    text = text[: params.characters]
    if len(text) < 1000:
        raise InputError(f"text.file = {params.file}: {len(text)} characters, at least 1000 needed")
    path = job.dir / "text.txt"
    write_text(path, text)
    job.log(f"{len(text)} characters, {len(set(text))} different ones")
    return {"text": path, "characters": len(text)}


def _reference() -> str:
    try:
        from pydoc_data.topics import topics  # noqa: PLC0415 (some distributions leave it out)
    except ImportError:
        raise InputError(
            "this Python comes without its language reference: set text.file"
        ) from None
    return "\n\n".join(topics[name] for name in sorted(topics))


JOB = Spec(prefix="text", params=Params, run=run)

if __name__ == "__main__":
    sys.exit(main(JOB))
