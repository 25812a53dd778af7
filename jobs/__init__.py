"""Entry points of Azkaban jobs: ``python -m jobs.nn.train --epochs 2``."""

import importlib.util
import sys
from pathlib import Path

# A prefix gets the packages of these jobs when the first of them runs; a server alone needs none.
_SETUP = Path(sys.prefix, "bin", "azkaban-jobflow")

if importlib.util.find_spec("numpy") is None and _SETUP.is_file():
    import subprocess

    print("installing the packages of this job", flush=True)
    if subprocess.run([_SETUP, "env", "--with", "jobs"], check=False).returncode:  # noqa: S603
        print(
            f"the packages of this job are missing: run {_SETUP} env --with jobs, which reads the "
            "proxy and the mirror that your shell names, then this job again",
            flush=True,
        )
        sys.exit(1)
    importlib.invalidate_caches()
