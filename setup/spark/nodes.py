"""Check on each node, before Python starts there, whether it can run the shipped environment.

The nodes of another cluster cannot be asked from outside which processor, C library or Python they
have. So their "Python" is a small shell script that checks, and then either says in one line what
is wrong or becomes the shipped interpreter.
"""

from __future__ import annotations

import platform
import shlex

__all__ = ["launcher"]

_SCRIPT = """\
#!/bin/sh
# Becomes the shipped Python, or says why this machine cannot run it.
fail() {{
    echo "this node cannot run the shipped environment: $1" >&2
    exit 1
}}
machine=$(uname -m)
[ "$machine" = {machine} ] || fail "its processor is $machine, what was packed is for {machine}"
{checks}exec {interpreter} "$@"
"""

_GLIBC = """\
glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null) || fail "it has no glibc, {glibc} or newer is needed"
[ "$(printf '%s\\n' {glibc} "${{glibc#* }}" | sort -V | head -n 1)" = {glibc} ] ||
    fail "it has $glibc, {glibc} or newer is needed: pack on a machine as old as the nodes"
"""

_BASE = """\
version=$({base} -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
[ "$version" = {version} ] ||
    fail "{base} is ${{version:-missing}}, Python {version} is needed: pack with --kind whole"
"""


def launcher(interpreter: str, version: str, *, base: str, glibc: str) -> str:
    """Write the script.

    Parameters
    ----------
    interpreter
        The shipped one, relative to the working folder of a process on a node.
    version
        Version of Python, such as ``3.11.9``.
    base
        The Python that nodes must have; empty if it is shipped.
    glibc
        The lowest version that the shipped programs need; empty if unknown.

    Examples
    --------
    >>> print(launcher("./e/bin/python", "3.11.9", base="", glibc="").splitlines()[-1])
    exec ./e/bin/python "$@"
    """
    checks = _GLIBC.format(glibc=glibc) if glibc else ""
    if base:
        minor = ".".join(version.split(".")[:2])
        checks += _BASE.format(base=shlex.quote(base), version=minor)
    return _SCRIPT.format(
        machine=platform.machine(), checks=checks, interpreter=shlex.quote(interpreter)
    )
