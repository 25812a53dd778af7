"""Write the scripts `start`, `stop`, `status` and `use` beside a server, a line of sh each.

They run set-up's own code from a copy in the prefix, so they work without the checkout that made
them. They install nothing, and run on the Python that wrote them.
"""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

from setup.bundle import product

if TYPE_CHECKING:
    from pathlib import Path

    from setup.layout import Layout

__all__ = ["write"]

_SCRIPT = """\
#!/bin/sh
# {title}
# Generated; works without the project that made it.
exec {python} -I {program} {prefix} {server} {step} "$@"
"""


def write(layout: Layout, home: Path, titles: dict[str, str]) -> None:
    """Write the scripts of a server and the copy of this product that they run.

    Parameters
    ----------
    layout
        Whose server.
    home
        Its folder, named as its commands are.
    titles
        What each script does, in a sentence.
    """
    kept = product.keep(layout) / "setup" / "shell" / "step.py"
    for step, title in titles.items():
        text = _SCRIPT.format(
            title=title,
            python=shlex.quote(sys.executable),
            program=shlex.quote(str(kept)),
            prefix=shlex.quote(str(layout.prefix)),
            server=home.name,
            step=step,
        )
        path = home / step
        path.write_text(text, encoding="utf-8")
        path.chmod(0o700)
