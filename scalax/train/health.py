"""What a run does when a loss or gradient is no longer finite."""

import dataclasses
from collections.abc import Callable

import numpy as np

from scalax.schedule import Shape, Stage
from scalax.train.group import Diverged, Group
from scalax.train.saved import Saved

SKIPPED_IN_A_ROW = 20
LOWERED = 5  # times that a run may go back
FACTOR = 0.5


class Health:
    """Which members of a group have failed, how many steps each skipped, and by what their rate is lowered.

    - group: that is trained.
    - policy: optim.on_nonfinite.
    - newest_checkpoint: gives the step of the last checkpoint.

    `optim.on_nonfinite`: stop ends the member (the others go on); skip leaves a step out and ends the
    member after SKIPPED_IN_A_ROW of them; lower_rate goes back to the last checkpoint (Loop).
    """

    def __init__(self, group: Group, policy: str, newest_checkpoint: Callable[[], int | None]):
        self.group, self.policy = group, policy
        self._newest_checkpoint = newest_checkpoint
        self.stage: Stage | None = None  # that is trained
        self.failed: dict[int, str] = {}
        self.skipped = np.zeros(group.size, int)
        self.in_a_row = np.zeros(group.size, int)

    def restore(self, saved: Saved) -> None:
        """As it was when a checkpoint was made."""
        self.failed = saved.failed_members(self.group.size)
        self.skipped, self.in_a_row = map(np.array, saved.skips(self.group.size))

    def saved(self, saved: Saved) -> Saved:
        """The same, with how it is now."""
        return dataclasses.replace(
            saved,
            failed={str(i): reason for i, reason in self.failed.items()},
            skipped=self.skipped.tolist(),
            skipped_in_a_row=self.in_a_row.tolist(),
        )

    @property
    def alive(self) -> list[int]:
        return [i for i in range(self.group.size) if i not in self.failed]

    @property
    def skips(self) -> bool:
        """Whether a step that is not finite is left out."""
        return self.policy == "skip"

    def metrics(self, i: int) -> dict[str, float]:
        """What the records of member i say of it."""
        return {"skipped_steps": int(self.skipped[i])} if self.skips else {}

    def step(self, shape: Shape, step: int, metrics: dict[str, np.ndarray]) -> None:
        """Judge a train step.

        - shape: that was trained.
        - step: its number.
        - metrics: of the step, each [] or [members].
        """
        if not self.skips:
            for name in ("loss", "grad_norm"):
                self.check_all(name, metrics[name], shape, step)
            return
        skipped = np.atleast_1d(metrics["skipped"]) > 0
        self.skipped += skipped
        self.in_a_row = np.where(skipped, self.in_a_row + 1, 0)
        for i in self.alive:
            if self.in_a_row[i] >= SKIPPED_IN_A_ROW:
                what = (
                    f"{SKIPPED_IN_A_ROW} steps in a row had a loss or gradient that is not finite, the last"
                )
                self.fail(i, what, shape, step)

    def check_all(self, name: str, values: np.ndarray, shape: Shape, step: int) -> None:
        """`check` of every member.

        - name, values: of the metric, [] or [members].
        - shape, step: that were trained.
        """
        for i, value in enumerate(np.atleast_1d(values)):
            self.check(i, name, float(value), shape, step)

    def check(self, i: int, name: str, value: float, shape: Shape, step: int) -> None:
        """Member i fails where a value is not finite.

        - i: number of the member.
        - name, value: of the metric.
        - shape, step: that were trained.
        """
        if not np.isfinite(value) and i not in self.failed:
            self.fail(i, f"{name} is {value}", shape, step)

    def fail(self, i: int, what: str, shape: Shape, step: int) -> None:
        """Note that a member failed. Raises Diverged where no member is left.

        - i: number of the member.
        - what: went wrong, in words.
        - shape, step: that were trained.
        """
        good = self._newest_checkpoint()
        last = f"the checkpoint of step {good} is good" if good else "no checkpoint was made before"
        own = self.stage.lr if self.stage is not None else None
        rate = f"optim.lr {self.group.optims[i].lr:g}" if own is None else f"lr {own:g} of the stage"
        self.failed[i] = (
            f"{self.group.members[i].path.name}: {what} at step {step} ({shape}); lower {rate} ({last})"
        )
        if not self.alive:
            raise Diverged(self.message())

    def message(self) -> str:
        return "; ".join(self.failed[i] for i in sorted(self.failed))
