"""A supervised installation for the tests of each file here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.live.faults.site import Site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.conftest import LiveAzkaban


@pytest.fixture(scope="module")  # its supervisor looks so often that it takes a tenth of a core
def site(split: LiveAzkaban) -> Iterator[Site]:
    """MySQL, executor, web server, and a supervisor over them."""
    supervised = Site(split)
    yield supervised
    supervised.end()
