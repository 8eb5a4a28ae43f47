"""Real trouble, made to order: every scenario that tcpwatch can show, by name. Each makes namespaces, sockets and
processes of its own and leaves nothing behind. Knows nothing of what tcpwatch makes of it."""

from tcpwatch.scenarios import failures, limits, orderly, queues, resets, silences
from tcpwatch.scenarios.scenario import Scenario

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for room in (orderly, failures, queues, resets, silences, limits)
    for scenario in room.SCENARIOS
}
