"""What all tests share."""

from __future__ import annotations

import ast
import functools
import signal
from pathlib import Path
from typing import Any

import pytest

# A shell that starts tests in the background has them, and all they start, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).parents[1]
# These type set-up's commands and get the usual ports: one of two at a time could lose its port to
# the other while its server is down.
TYPED = {
    f"tests/live/test_{name}.py" for name in ("bundle", "layers", "newcomer", "outside", "update")
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests of servers: the longest ones must not be left to one process."""
    items.sort(key=lambda item: not item.nodeid.startswith("tests/live/"))


@functools.cache
def server_of(path: str) -> str:
    """Name the server, or the ports, that the tests of a file share with others; else the file."""
    folder = path.split("/")[2]
    if folder in ("mysql", "spark"):
        return folder
    if path in TYPED:
        return "typed"
    functions = ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8")))
    asked = {arg.arg for f in functions if isinstance(f, ast.FunctionDef) for arg in f.args.args}
    asked |= {"split"} if "site" in asked else set()  # which is a supervisor over those
    return next((name for name in ("split", "azkaban") if name in asked), path)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep the tests that share servers in one process each: Azkaban's, MySQL's, Spark's."""
    if config.getoption("dist") != "loadscope":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class ByServer(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            path, *_ = nodeid.split("::", maxsplit=1)
            return server_of(path) if path.startswith("tests/live/") else path

    config.option.loadscopereorder = False  # by the number of tests, which says nothing of servers
    return ByServer(config, log)
