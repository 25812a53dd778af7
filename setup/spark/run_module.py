"""Run a module for ``setup spark submit -m MODULE``, because spark-submit takes scripts only."""

import runpy
import sys

if __name__ == "__main__":
    sys.path.pop(0)  # this script's folder
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
