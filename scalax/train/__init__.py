"""One run: the state, a pure step over all devices, and the loop through the stages of a schedule."""

from scalax.train.loop import Progress as Progress
from scalax.train.loop import RunResult as RunResult
from scalax.train.loop import check as check
from scalax.train.loop import environment as environment
from scalax.train.loop import run as run
from scalax.train.setup import Setup as Setup
