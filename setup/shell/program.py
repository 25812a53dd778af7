"""The command `azkaban-jobflow`: what ``python3 -m setup`` does, from any folder."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from azkaban_client.files import whole
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
    with whole(place(layout), mode=0o755) as stream:
        stream.write(TEMPLATE.format(name=NAME, **quoted).encode("utf-8"))
