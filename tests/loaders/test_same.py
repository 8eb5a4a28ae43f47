"""Does bcc's loader tell the same as core's? The essential tests on the kernel, played once more under it."""

from collections.abc import Iterator

import pytest

from tcpwatch.scenarios.namespace import Namespace
from tests.kernel import watch
from tests.kernel.conftest import client, machine, room, rooms, server, talk
from tests.kernel.test_events import test_every_event_names_its_ends, test_every_step_once_and_in_order
from tests.kernel.test_lives import (
    test_a_client_that_closes_first,
    test_a_reset,
    test_address_families,
    test_refused,
)
from tests.kernel.test_loss import (
    lossy,
    test_bytes_are_payload_however_often_it_was_sent,
    test_causes_are_what_netstat_says,
    test_nothing_was_lost_on_the_way_to_us,
    test_recoveries_are_what_netstat_says,
    test_retransmits_are_what_netstat_says,
)
from tests.kernel.test_processes import test_a_child_that_serves_its_parents_listener
from tests.kernel.test_residue import test_nothing_is_left_in_the_kernel
from tests.kernel.test_snapshot import menagerie, test_every_state, test_idle_connections

__all__ = [
    "client",
    "lossy",
    "machine",
    "menagerie",
    "room",
    "rooms",
    "server",
    "talk",
    "test_a_child_that_serves_its_parents_listener",
    "test_a_client_that_closes_first",
    "test_a_reset",
    "test_address_families",
    "test_bytes_are_payload_however_often_it_was_sent",
    "test_causes_are_what_netstat_says",
    "test_every_event_names_its_ends",
    "test_every_state",
    "test_every_step_once_and_in_order",
    "test_idle_connections",
    "test_nothing_is_left_in_the_kernel",
    "test_nothing_was_lost_on_the_way_to_us",
    "test_recoveries_are_what_netstat_says",
    "test_refused",
    "test_retransmits_are_what_netstat_says",
]


@pytest.fixture(scope="module", autouse=True)
def bcc() -> Iterator[None]:
    """Every command that a test here starts is told to go this way."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watch, "LOADER", "bcc")
        yield


def test_it_is_bcc_that_brings_them(room: Namespace) -> None:
    """Or else the tests of this file would show nothing."""
    with watch.Watch("events", "--netns", room.name) as watching:
        assert "compiled by bcc" in watching.narration
