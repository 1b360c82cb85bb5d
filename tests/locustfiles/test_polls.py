from __future__ import annotations

import subprocess
import sys

from tests.integration.running import ROOT, environment
from tests.locustfiles.running import LIMIT_S, installed

PROGRAM = """
import time
import gevent
from locustfiles.polls import POLLS

POLLS.watch()
assert POLLS.before_ns == 0
turns = []
for _ in range(3):
    gevent.sleep(0.001)
    turns.append(POLLS.before_ns)
assert 0 < turns[-2] < turns[-1] < time.time_ns()
"""


def test_the_time_before_the_last_turn_of_the_loop_is_known() -> None:
    installed()
    subprocess.run(
        [sys.executable, "-c", PROGRAM], check=True, cwd=ROOT, env=environment(), timeout=LIMIT_S
    )
