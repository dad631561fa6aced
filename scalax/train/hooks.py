"""What a run tells those who watch it. Hooks have side effects only; no result depends on one."""

from typing import Any, NamedTuple

from scalax.records import RunInfo, RunRecord
from scalax.schedule import Shape


class Progress(NamedTuple):
    """Where a run stands: updates made, present shape, FLOPs spent of its budget, and how fast it goes.

    unit: of its examples, as the task has it: images, sequences. begun_flops: those of `flops` that another
    run spent, which this one branched off. rest: runs that train together with it and are told of after it.
    """

    run: str
    step: int
    shape: Shape
    flops: float
    budget_flops: float
    examples_per_s: float
    flops_per_s: float
    unit: str = "images"
    begun_flops: float = 0.0
    rest: int = 0


class Hook:
    """Called in this order by the process that owns the run; does nothing itself. Several runs may be under
    way at once, told apart by their names."""

    def study(self, flops: float, seconds: float) -> None:
        """Before a study, which will spend so many FLOPs at most, in about so many seconds (nan: not known);
        what `expect` says later is a part of that."""

    def expect(self, flops: float) -> None:
        """Before runs that will spend so many FLOPs in all."""

    def start(self, run: str, directory: Any, info: RunInfo) -> None:
        """Before anything of the run.

        - run: its name.
        - directory: of the run.
        - info: what run.json holds.
        """

    def step(self, run: str, step: int) -> None:
        """Before update number `step` is dispatched; a resumed run starts with the first that is missing."""

    def progress(self, progress: Progress) -> None:
        """Every half second or so."""

    def record(self, record: RunRecord) -> None:
        """After an evaluation."""

    def end(self, run: str) -> None:
        """After the run, whether it finished or not."""
