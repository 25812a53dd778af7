"""Start of ``python3 -m setup``; runs on old Pythons and other systems, to say what is amiss."""

import os
import sys

if sys.version_info < (3, 11):
    sys.stderr.write(
        "setup: Python %d.%d is too old, 3.11 or newer is needed. Where a newer one is installed, "
        "name it: python3.11 -m setup ...\n" % sys.version_info[:2]
    )
    sys.exit(3)

for number in (0, 1, 2):
    try:
        os.fstat(number)
    except OSError:  # closed by who started this: the next file opened would be taken for it
        os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # noqa: FBT003 (positional only)
sys.stdout = sys.stdout or open(1, "w")  # noqa: SIM115 (no path; it stays open)
sys.stderr = sys.stderr or open(2, "w")  # noqa: SIM115

if sys.pycache_prefix is None:
    sys.dont_write_bytecode = True  # nothing is written beside the sources
os.umask(os.umask(0o077) | 0o022)  # nothing that others may change is made

if not __package__:  # the folder was started, by the command azkaban-jobflow or from an archive
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

from setup import platforms

reason = platforms.elsewhere()
if reason:
    sys.stderr.write("setup: " + reason + "\n")
    sys.exit(3)

from setup.cli import main

sys.exit(main())
