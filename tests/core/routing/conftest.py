from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from core.routing import Problem

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="session")
def random_problem() -> Callable[..., Problem]:
    def make(n: int, seed: int = 0, **fields: Any) -> Problem:
        points = np.random.default_rng(seed).uniform(0, 100, (n + 1, 2))
        return Problem(points=points, **fields)

    return make
