"""Start of ``python3 -m setup``; runs on old Pythons too, to say that they are too old."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 (the message is for the older ones)
    sys.stderr.write(
        "setup: Python %d.%d is too old, 3.11 or newer is needed. Where a newer one is installed, "  # noqa: UP031 (so that old Pythons can parse it)
        "name it: python3.11 -m setup ...\n" % sys.version_info[:2]
    )
    sys.exit(3)

from setup.cli import main

sys.exit(main())
