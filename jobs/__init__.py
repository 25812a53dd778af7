"""Entry points of Azkaban jobs: ``python -m jobs.nn.load``."""

import importlib.util
import sys
from pathlib import Path

# A prefix holds no numerical packages until somebody asks for them: say so in one line.
if importlib.util.find_spec("numpy") is None:
    _SETUP = Path(sys.prefix, "bin", "azkaban-jobflow")
    sys.exit(
        f"the packages of these jobs are not installed for {sys.executable}: run "
        + (f"{_SETUP} env --with jobs" if _SETUP.is_file() else "pip install numpy")
    )
