"""Known crawlers."""

import time

from producers import agents


def test_an_agent_of_a_megabyte_is_looked_at_in_part() -> None:
    """It took seconds, and would be remembered whole."""
    began = time.process_time()
    assert not agents.is_bot("a" * (1 << 20))
    assert agents.is_bot("Googlebot/2.1 " + "a" * (1 << 20))
    assert time.process_time() - began < 1
