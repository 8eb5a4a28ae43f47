"""What a record says of why its connection ended: the verdict in a word, in a sentence, and what it rests on."""

import numpy as np

from tcpwatch import verdicts
from tcpwatch.frame import Frame
from tcpwatch.records.parts import Array, Shared, Value

KEYS = ("verdict", "explanation", "evidence")


def of_lives(ended: Array, frame: Frame) -> Shared:
    """KEYS of each life, (n,) rows.ROW. Nearly all ended well, and say the same."""
    host = frame.host
    special = np.flatnonzero((ended["verdict"] != verdicts.CLEAN) & (ended["verdict"] != 0))
    codes = np.where(ended["verdict"] == verdicts.CLEAN, 1, 0)
    codes[special] = np.arange(2, 2 + len(special))
    told = verdicts.explain(ended[special], frame.end_ns, host.hz, host.reset_reasons)
    unix = host.realtime_offset_ns
    evidence: list[Value] = [[[at and at + unix, what] for at, what in one.evidence] for one in told]
    return Shared(
        {
            "verdict": [None, verdicts.CODES[verdicts.CLEAN], *(one.code for one in told)],
            "explanation": [None, verdicts.CLEAN_SENTENCE, *(one.sentence for one in told)],
            "evidence": [None, [], *evidence],
        },
        codes,
    )
