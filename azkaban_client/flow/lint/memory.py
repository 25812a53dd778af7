"""Check the memory that a Java job requests."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from azkaban_client.flow.loader.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from azkaban_client.flow.loader.model import Job

__all__ = ["check_memory"]

_LIMITS = {"Xms": 1 << 20, "Xmx": 2 << 20}  # kB: job.max.Xms and job.max.Xmx of a fresh server
_UNITS = {"g": 1 << 20, "m": 1 << 10, "k": 1, "": 1 / 1024}


def check_memory(job: Job) -> Iterator[Problem]:
    """Find what servers from 2.6 on refuse at upload."""
    for key, limit in _LIMITS.items():
        value = job.at_upload(key)
        if value is None or "${" in value:
            continue
        found = re.fullmatch(r"([-+]?\d+)([gGmMkK]?)", value)
        if found is None:
            words = f"{key}={value}: expected a number with G, M or K"
            yield Problem(job.own.name, job.line(key), "memory", words)
        elif int(found[1]) * _UNITS[found[2].lower()] > limit:
            words = f"{key}={value}: servers allow {limit >> 20}G unless their settings say more"
            yield Problem(job.own.name, job.line(key), "memory", words)
