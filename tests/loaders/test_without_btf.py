"""Does bcc's loader serve on a kernel that does not describe its types? The tests on events, played once more with BTF
out of sight and headers in its place; what iterators would tell is not known then."""

from collections.abc import Iterator

import pytest

from tcpwatch.scenarios.namespace import Namespace
from tests.kernel import watch
from tests.kernel.conftest import client, machine, room, server, talk
from tests.kernel.test_events import test_every_event_names_its_ends, test_every_step_once_and_in_order
from tests.kernel.test_lives import test_a_client_that_closes_first, test_a_server_that_closes_first, test_refused
from tests.kernel.test_loss import (
    lossy,
    test_bytes_are_payload_however_often_it_was_sent,
    test_causes_are_what_netstat_says,
    test_nothing_was_lost_on_the_way_to_us,
    test_recoveries_are_what_netstat_says,
    test_retransmits_are_what_netstat_says,
)

from .elsewhere import plant_headers, without_btf

__all__ = [
    "client",
    "lossy",
    "machine",
    "room",
    "server",
    "talk",
    "test_a_client_that_closes_first",
    "test_a_server_that_closes_first",
    "test_bytes_are_payload_however_often_it_was_sent",
    "test_causes_are_what_netstat_says",
    "test_every_event_names_its_ends",
    "test_every_step_once_and_in_order",
    "test_nothing_was_lost_on_the_way_to_us",
    "test_recoveries_are_what_netstat_says",
    "test_refused",
    "test_retransmits_are_what_netstat_says",
]


@pytest.fixture(scope="module", autouse=True)
def hidden(tmp_path_factory: pytest.TempPathFactory, machine: None) -> Iterator[None]:
    """No BTF, and nobody says which loader to take."""
    tree = plant_headers(tmp_path_factory.mktemp("kernel"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watch, "PREFIX", without_btf(tree))
        yield


def test_bcc_is_chosen_and_snapshots_are_missed(room: Namespace) -> None:
    """Seven tracepoints remain; what is not there is not pretended."""
    with watch.Watch("events", "--netns", room.name) as watching:
        assert "(7 of " in watching.narration
        assert "compiled by bcc" in watching.narration
    done = watch.tcpwatch("snapshot", prefix=watch.PREFIX)
    assert done.returncode == 4
    assert done.stdout == ""
    doctor = watch.tcpwatch("doctor", prefix=watch.PREFIX)
    assert doctor.returncode == 0
    assert "raw_tp/inet_sock_set_state" in doctor.stdout
    assert "BTF" in doctor.stdout
    assert "kretprobe/cookie_v6_check" in doctor.stdout
