"""Environments of projects: each project's own packages, made once for each lock.

A ``requirements.txt`` in a project's folder is resolved once; ``requirements.lock`` beside it keeps
what was chosen, with hashes, and is installed as it stands from then on. Projects with the same
lock and the same Python share one environment.

`ensure` makes a project's environment, `find` returns it if it is there, `pack` makes an archive of
it that runs on another machine, `prune` deletes those that are not used any more.
"""

from azkaban_client.environments.build import ensure, find
from azkaban_client.environments.lock import asks
from azkaban_client.environments.pack import pack, with_packed
from azkaban_client.environments.store import (
    Environment,
    Use,
    environments,
    forget,
    prune,
    record_use,
)

__all__ = [
    "Environment",
    "Use",
    "asks",
    "ensure",
    "environments",
    "find",
    "forget",
    "pack",
    "prune",
    "record_use",
    "with_packed",
]
