"""Runs: the state, a pure step over all devices, and the loop through the stages of a schedule."""

from scalax.train.health import Diverged as Diverged
from scalax.train.hooks import Hook as Hook
from scalax.train.hooks import Progress as Progress
from scalax.train.loop import Replan as Replan
from scalax.train.loop import RunResult as RunResult
from scalax.train.loop import check as check
from scalax.train.loop import run as run
from scalax.train.population import pays as pays
from scalax.train.rundir import Member as Member
from scalax.train.rundir import environment as environment
from scalax.train.setup import Setup as Setup
