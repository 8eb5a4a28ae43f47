"""Is docs/verdicts.md what the program itself says?"""

import subprocess
import sys
from pathlib import Path

from tcpwatch.verdicts import CLEAN, CODES, HARMS, RULES, harm_of
from tcpwatch.verdicts.advice import ADVICE
from tcpwatch.verdicts.sentences import SENTENCES

PAGE = Path(__file__).parents[2] / "docs" / "verdicts.md"


def test_page_is_up_to_date() -> None:
    """The page is what `python -m tcpwatch.verdicts` prints."""
    done = subprocess.run([sys.executable, "-m", "tcpwatch.verdicts"], capture_output=True, text=True, check=True)
    assert PAGE.read_text(encoding="utf-8") == done.stdout


def test_every_verdict_is_documented() -> None:
    """Each has its line in the table and a section with its advice."""
    page = PAGE.read_text(encoding="utf-8")
    for rule in RULES:
        assert f"| [`{rule.code}`](#{rule.code}) | {HARMS[rule.harm]} |" in page
        assert f"\n## {rule.code}\n" in page
        assert all(advice.text in page for advice in rule.advice)


def test_every_verdict_has_its_words() -> None:
    """A sentence, a meaning and, unless all is well, general advice."""
    codes = [rule.code for rule in RULES]
    assert list(SENTENCES) == list(ADVICE) == codes == list(CODES[1:])
    assert len(set(codes)) == len(codes) < 256
    for rule in RULES:
        general = [advice for advice in rule.advice if advice.holds is None]
        assert rule.code == "clean" or (len(general) == 1 and rule.advice[0] is general[0])
        assert all(bool(advice.where) == (advice.holds is not None) for advice in rule.advice)
        assert rule.ended is not None or rule.standing is not None


def test_what_the_issue_asks_for_is_there() -> None:
    """Codes are a contract: filters and dashboards name them."""
    promised = (
        "clean refused no_answer unreachable accept_queue_full syn_queue_full reset_by_peer reset_by_us_unread_data "
        "reset_by_us_linger reset_by_us_process_died rejected_by_firewall timed_out_retransmitting timed_out_keepalive "
        "stalled_zero_window half_closed_lingering out_of_ports lossy_path receiver_limited sender_buffer_limited "
        "application_limited"
    )
    assert set(promised.split()) <= set(CODES)
    assert (CODES[0], CODES[CLEAN]) == (None, "clean")
    assert (harm_of(None), harm_of("clean"), HARMS[harm_of("refused")]) == (0, 0, "high")
