"""Real processes killed at chosen and random moments, in studies of several kinds: the same end, bit for bit.

A start ends itself in a place that is drawn (tests/killed_launch.py) by SIGKILL, SIGTERM or Ctrl-C. The same
command goes on, and may be killed again; its end is that of a study that nothing interrupted. SCALAX_KILLS
in the environment says how many kills there are in all.
"""

import itertools
import json
import math
import os
import random
import shutil
import signal
from collections import Counter

import pytest

from tests.killed import CODES, Kind, assert_same, end, results_of, start

KILLS = int(os.environ.get("SCALAX_KILLS", "28"))
IN_A_ROW = 3  # kills of one study before it is left to its end
TINY = ["--model.names", "V8-1", "--batch-size", "8", "--population", "never"]
SWEEP = ["configs/sweep.py", *TINY, "--budget-flops", "7e7", "--eval.points", "6", "--seeds", "0", "1"]
SWEEP += ["--checkpoint-steps", "10", "--lrs", "3e-3"]
ADAPTIVE = ["tests/digits.py", *TINY, "--budget-flops", "1e8", "--eval.points", "12", "--patches", "4", "2"]
ADAPTIVE += ["--tune.share", "0.2", "--tune.lrs", "1e-2", "--online", "--checkpoint-steps", "40"]
ADAPTIVE += ["--cooldowns", "0.5", "1", "--shifts", "0.5"]

KINDS = {  # of studies: share of all kills, and how they are launched
    "alone": (0.14, Kind(SWEEP)),
    "together": (0.12, Kind([*SWEEP, "--population", "always"])),
    "cold": (0.1, Kind(SWEEP, cold=True)),
    "lower rate": (0.12, Kind([*SWEEP, "--optim.on-nonfinite", "lower_rate"], wild=True)),
    "adaptive": (0.2, Kind(ADAPTIVE)),
    "two workers": (0.16, Kind([*SWEEP, "--seeds", "0", "1", "2"], workers=2)),
    "six workers": (0.16, Kind([*SWEEP, "--seeds", "0", "1", "2", "3"], workers=6)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_killed_anywhere(tmp_path, name):
    share, kind = KINDS[name]
    _, printed = end(start(tmp_path / "whole", kind))
    entered = {"start": 1, **json.loads(printed)}
    whole = results_of(tmp_path / "whole")
    chance = random.Random(name)
    left = math.ceil(share * KILLS)
    killed: Counter[str] = Counter()
    places = itertools.cycle(chance.sample(list(entered), len(entered)))  # each of them in turn
    out, in_a_row, compared = tmp_path / "out", 0, 0
    while left > 0 or in_a_row:
        victims = min(left, 1 if kind.workers < 3 else chance.randint(1, 3)) if in_a_row < IN_A_ROW else 0
        workers = []
        for i in range(kind.workers):
            if i >= victims:
                workers.append((start(out, kind), "", 0))
                continue
            where, number = next(places), chance.choice(list(CODES))
            count = chance.randint(1, max(1, entered[where] // (1 + in_a_row) // kind.workers))
            delay_s = chance.uniform(0, 2) if where == "start" else chance.choice([0, chance.uniform(0, 0.1)])
            workers.append((start(out, kind, where, count, delay_s, number), where, number))
        ended = []
        for process, where, number in workers:
            code, _ = end(process, *([CODES[number]] if number else []))
            ended.append(code == 0)
            if code:
                killed[f"{where} {signal.Signals(number).name}"] += 1
                left -= 1
        in_a_row += 1
        if any(ended):
            assert_same(out, whole)
            compared += 1
            shutil.rmtree(out)
            in_a_row = 0
    print(f"\n{name}: {killed.total()} kills, {compared} ends compared: {dict(sorted(killed.items()))}")
