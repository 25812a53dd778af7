"""What each start of set-up does first."""

from __future__ import annotations

import os

import pytest

from setup.prepare import prepare


@pytest.mark.parametrize(
    ("given", "used"), [(0, 0o022), (0o007, 0o027), (0o077, 0o077), (0o777, 0o077), (0o277, 0o077)]
)
def test_a_umask_takes_rights_from_others_and_none_from_the_account(given: int, used: int) -> None:
    before = os.umask(given)
    try:
        prepare()
        assert os.umask(before) == used
    finally:
        os.umask(before)
