"""What a run tells those who watch it. Hooks have side effects only; no result depends on one."""

from typing import NamedTuple

from scalax.errors import UserError
from scalax.records import RunRecord
from scalax.schedule import Shape


class Progress(NamedTuple):
    """Where a run stands: updates made, present shape, FLOPs spent of its budget, and how fast it goes."""

    run: str
    step: int
    shape: Shape
    flops: float
    budget_flops: float
    images_per_s: float
    flops_per_s: float


class Hook:
    """Called in this order by the process that owns the run; does nothing itself. Several runs may be under
    way at once, told apart by their names."""

    def expect(self, flops: float) -> None:
        """Before runs that will spend so many FLOPs in all."""

    def start(self, run: str, directory, info: dict) -> None:
        """Before anything of the run; `info` is what run.json holds."""

    def step(self, run: str, step: int) -> None:
        """Before update number `step` is dispatched; a resumed run starts with the first that is missing."""

    def progress(self, progress: Progress) -> None:
        """Every half second or so."""

    def record(self, record: RunRecord) -> None:
        """After an evaluation."""

    def end(self, run: str) -> None:
        """After the run, whether it finished or not."""


def from_options(out, *, profile: str = "", tensorboard: bool = False, wandb: bool = False) -> list[Hook]:
    """The hooks that a launch in directory `out` asked for.

    profile: START:STOP in steps. Raises UserError, before anything is trained, for what cannot be had.
    """
    from scalax.train.profile import Profile
    from scalax.train.trackers import TensorBoard, Wandb

    for option, wanted in (("--profile", profile), ("--tensorboard", tensorboard), ("--wandb", wandb)):
        if wanted and "://" in str(out):
            raise UserError(f"{option} needs a local --out, got {out}")
    hooks: list[Hook] = [Profile(profile, out)] if profile else []
    hooks += [TensorBoard(out)] if tensorboard else []
    hooks += [Wandb(out)] if wandb else []
    return hooks
