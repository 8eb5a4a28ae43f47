"""Does a costly look come as often as it may, however busy the machine is?"""

import time

from tcpwatch.kernel.source import Timer


def test_it_waits_until_its_cost_is_a_small_share() -> None:
    timer = Timer(1.0, 0.02)
    assert timer.due(100.0)
    timer.ran(100.0, 0.1)
    assert not timer.due(104.9)
    assert timer.due(105.1)
    timer.ran(106.0, 0.001)
    assert not timer.due(106.9)
    assert timer.due(107.1)


def test_a_look_that_had_to_wait_for_a_processor_cost_no_more() -> None:
    """What a thread is charged, as the source measures it."""
    begin, begin_cpu = time.monotonic(), time.thread_time()
    time.sleep(0.5)
    timer = Timer(1.0, 0.02)
    timer.ran(begin, time.thread_time() - begin_cpu)
    assert timer.due(begin + 5.0)
