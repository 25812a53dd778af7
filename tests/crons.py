"""Cron expressions for which the client, the console and Quartz must agree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azkaban_client import cron

if TYPE_CHECKING:
    import random

TABLE = json.loads((Path(__file__).parent / "azkaban_client/data/cron.json").read_text())
TIMES: list[tuple[str, str, str, list[str]]] = TABLE["times"]  # zone, begin, next times
REFUSED: list[str] = TABLE["refused"]


def expression(rng: random.Random) -> str:
    """Make a Quartz expression of any kind."""

    def item(low: int, high: int, words: tuple[str, ...] = ()) -> str:
        first, last = rng.randint(low, high), rng.randint(low, high)
        shown = [
            words[one - low] if words and rng.random() < 0.5 else str(one) for one in (first, last)
        ]
        step = rng.randint(1, max(2, high // 3))
        kinds = ["*", shown[0], "-".join(shown), f"*/{step}", f"{first}/{step}"]
        kinds.append(f"{first}-{last}/{step}")
        return rng.choice(kinds)

    def field(*about: Any) -> str:
        count = rng.choice([1, 1, 1, 2, 3])
        items = [item(*about) for _ in range(count)]
        return "*" if "*" in items else ",".join(items)

    clock = [rng.choice(["0", field(0, 59)]), rng.choice(["0", field(0, 59)]), field(0, 23)]
    day, weekday = field(1, 31), "?"
    if rng.random() < 0.4:
        day = rng.choice(["L", "LW", f"L-{rng.randint(1, 9)}", f"{rng.randint(1, 28)}W", "*"])
    elif rng.random() < 0.6:
        day, weekday = "?", field(1, 7, cron.DAYS)
        if rng.random() < 0.5:
            named = rng.choice([*cron.DAYS, *"1234567"])
            weekday = rng.choice(["L", f"{named}L", f"{named}#{rng.randint(1, 5)}"])
    year = rng.choice([[], [], [], ["*"], ["2027-2031"], ["2028"], ["2027/3"]])
    return " ".join([*clock, day, rng.choice(["*", field(1, 12, cron.MONTHS)]), weekday, *year])
