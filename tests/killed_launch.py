"""The launch command that ends itself: python -m tests.killed_launch WHERE COUNT DELAY_S SIGNAL ARGUMENTS...

When the place WHERE of PLACES is entered for the COUNTth time (`start`: the first line), a thread sends the
SIGNAL to the process, DELAY_S seconds later. With WHERE `count` nothing is sent; either way, the last line on
standard output says how often each place was entered, if the process comes to its end. With SCALAX_TEST_WILD
in the environment, rates are infinite from that step on until the run has gone back once; with
SCALAX_TEST_SLOW, the place of that name says `slow` and never ends.
"""

# isort: off
import os
import sys
import threading
import time

from scalax import process

if __name__ == "__main__":
    process.begin("scalax.launch")
# isort: on

import functools
import importlib
import json
import math
from collections import Counter

PLACES = {
    "open": ("scalax.train", "open_experiment"),
    "compile": ("scalax.train.loop", "Loop._programs"),
    "step": ("scalax.train.loop", "Loop._step"),
    "change": ("scalax.train.loop", "Loop._change"),
    "evaluation": ("scalax.train.recorder", "Recorder.record"),
    "record": ("scalax.records", "append"),
    "save": ("scalax.train.checkpoint", "Checkpoints.save"),
    "branch": ("scalax.train.loop", "take_over"),
    "restore": ("scalax.train.checkpoint", "Checkpoints.restore"),
    "claim": ("scalax.jobs.claims", "_acquire"),
    "finish": ("scalax.train.group", "Group.finish"),
    "tuning": ("scalax.studies.adaptive.tuning", "tune"),
    "online": ("scalax.plan", "Online.observe"),
    "fit": ("scalax.laws", "fit"),
    "result": ("scalax.studies", "save"),
    "report": ("scalax.studies", "report"),
}


def main(where: str, count: str, delay_s: str, number: str, *arguments: str) -> int:
    def send() -> None:
        time.sleep(float(delay_s))
        os.kill(os.getpid(), int(number))

    def later() -> None:
        threading.Thread(target=send, daemon=True).start()

    if where == "start":
        later()
    entered: Counter[str] = Counter()
    for name, (module, path) in PLACES.items():
        *owners, attribute = path.split(".")
        owner = functools.reduce(getattr, owners, importlib.import_module(module))
        setattr(owner, attribute, told(getattr(owner, attribute), name, entered, where, int(count), later))
    if "SCALAX_TEST_WILD" in os.environ:
        make_wild(int(os.environ["SCALAX_TEST_WILD"]))
    from scalax import launch

    code = launch.main(list(arguments))
    print(json.dumps(entered))
    return code


def told(function, name: str, entered: Counter, where: str, count: int, later):
    """The function, which counts its calls and sets off the signal at one of them."""

    @functools.wraps(function)
    def call(*arguments, **options):
        entered[name] += 1
        if name == where and entered[name] == count:
            later()
        if name == os.environ.get("SCALAX_TEST_SLOW"):
            print("slow", flush=True)
            time.sleep(3600)
        return function(*arguments, **options)

    return call


def make_wild(first: int) -> None:
    from scalax.train.rates import SpanRates

    at = SpanRates.at

    def wild(self, step, factor):
        return at(self, step, math.inf if step >= first and factor == 1 else factor)

    SpanRates.at = wild


if __name__ == "__main__":
    code = main(*sys.argv[1:])
    from scalax.launch import leave

    leave(code)
