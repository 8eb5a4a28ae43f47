"""How long may a step take in a guest, whose every instruction is emulated, on a machine that others use as well? A
plugin for pytest (-p tests.kernels.patience), as each test gives up by the same clock."""

from tcpwatch.scenarios import actor, cable, namespace, queues

DEADLINE_S = 300.0

for module in (actor, cable, namespace, queues):
    module.DEADLINE_S = DEADLINE_S  # type: ignore[attr-defined]
actor.STEP_S = DEADLINE_S
