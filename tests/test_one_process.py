"""The tests of a file are run by one process: else each process starts a server of its own for a few of them."""

from __future__ import annotations

import pytest
from conftest import APART, WAS_HERE


@pytest.mark.parametrize("number", range(12))
def test_all_tests_of_this_file_that_came_before_were_here(number, request):
    items = request.session.items
    before = [item for item in items[: items.index(request.node)] if item.path == request.path]
    assert [item for item in before if WAS_HERE not in item.stash] == [] and len(before) <= number
    assert request.path.stem.removeprefix("test_") not in APART
