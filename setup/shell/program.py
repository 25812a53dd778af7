"""The command `azkaban-jobflow`: what ``python3 -m setup`` does, from any folder."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from setup.called import NAME
from setup.layout import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path

    from setup.layout import Layout

__all__ = ["TEMPLATE", "place", "write"]

TEMPLATE = """\
#!/bin/sh
# Sets up and runs the servers of one prefix; generated. AZK_HOME or --prefix name another one.
python={python}
setup={setup}
[ -x "$python" ] && [ -d "$setup" ] || {{
    echo "{name}: $python or $setup is gone: start it where it came from again" >&2
    exit 3
}}
AZK_HOME=${{AZK_HOME:-{prefix}}}
export AZK_HOME
exec "$python" "$setup" "$@"
"""


def place(layout: Layout) -> Path:
    """Return the path of the command."""
    return layout.env / "bin" / NAME


def write(layout: Layout) -> None:
    """Write the command atomically, because it may be running."""
    names = {"python": layout.python, "setup": CHECKOUT / "setup", "prefix": layout.prefix}
    quoted = {name: shlex.quote(str(path)) for name, path in names.items()}
    path = place(layout)
    new = path.with_name(f".{NAME}.new")
    new.write_text(TEMPLATE.format(name=NAME, **quoted), encoding="utf-8")
    new.chmod(0o755)
    new.replace(path)
