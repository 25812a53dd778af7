"""One supervised installation for all tests of this folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.live.faults.site import Site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.conftest import LiveAzkaban


@pytest.fixture(scope="package")
def site(split: LiveAzkaban) -> Iterator[Site]:
    """MySQL, executor, web server, and a supervisor over them."""
    supervised = Site(split)
    yield supervised
    supervised.end()
