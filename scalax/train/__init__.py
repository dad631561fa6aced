"""Runs: the state, a pure step over all devices, and the loop through the stages of a schedule.

The way of a batch: `execute` shares runs out and calls `loop.run`. Its Loop takes raw examples from `batches`
and hands them to the compiled step (`programs`, `step`), in which the task prepares them and gives their
loss. At an evaluation the `recorder` measures the state and appends to metrics.jsonl.
"""

from scalax.train.branch import cooled as cooled
from scalax.train.complete import followed as followed
from scalax.train.course import Replan as Replan
from scalax.train.course import check as check
from scalax.train.execute import RunSpec as RunSpec
from scalax.train.execute import execute as execute
from scalax.train.execute import read as read
from scalax.train.experiment import Experiment as Experiment
from scalax.train.experiment import open_experiment as open_experiment
from scalax.train.finished import Finished as Finished
from scalax.train.finished import open_finished as open_finished
from scalax.train.group import Diverged as Diverged
from scalax.train.group import Member as Member
from scalax.train.hooks import Hook as Hook
from scalax.train.hooks import Progress as Progress
from scalax.train.loop import run as run
from scalax.train.rates import cooldown_begins as cooldown_begins
from scalax.train.rundir import device as device
from scalax.train.rundir import versions as versions
