"""Is docs/kernels.md what the last run on other kernels found, and of the hooks that there are?"""

import json
from pathlib import Path

from tcpwatch.kernel.programs import HOOKS
from tests.kernels.lanes import LANES
from tests.kernels.table import page


def test_the_page_is_what_was_found(root: Path) -> None:
    """Written by `make test-kernels ARGS=--write`, and by nobody else."""
    results = json.loads((root / "docs" / "kernels.json").read_text())
    assert (root / "docs" / "kernels.md").read_text() == page(results)


def test_every_kernel_was_tried_with_every_hook_and_passed(root: Path) -> None:
    """A hook or a lane that is new has to be tried there, and what is promised has to hold."""
    results = json.loads((root / "docs" / "kernels.json").read_text())
    assert len(results) > 1
    for result in results:
        assert {found["name"].partition("/")[2] for found in result["doctor"]} == {hook.target for hook in HOOKS}
        assert {test["lane"] for test in result["tests"]} == {lane.name for lane in LANES}, result["name"]
        assert {test["outcome"] for test in result["tests"]} == {"passed"}, result["name"]
        assert (result["left"], result["log"]) == ([], []), result["name"]
