"""Start ``python3 -m setup``; runs even on old Pythons and other systems, to say what is wrong."""

import os
import sys

if sys.version_info < (3, 11):
    sys.stderr.write(
        "setup: Python %d.%d is too old, 3.11 or newer is needed. Where a newer one is installed, "
        "name it: python3.11 -m setup ...\n" % sys.version_info[:2]
    )
    sys.exit(3)

if sys.pycache_prefix is None:
    sys.dont_write_bytecode = True  # nothing is written next to the sources
if not __package__:  # the folder was started, by the command azkaban-jobflow or from an archive
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

from setup import platforms
from setup.prepare import prepare

prepare()
reason = platforms.elsewhere()
if reason:
    sys.stderr.write("setup: " + reason + "\n")
    sys.exit(3)

from setup.cli import main

sys.exit(main())
