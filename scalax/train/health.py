"""What a run does when a loss or gradient is no longer finite."""

from collections.abc import Callable

import numpy as np

from scalax.errors import UserError
from scalax.schedule import Shape
from scalax.train.group import Group

SKIPPED_IN_A_ROW = 20
LOWERED = 5  # times that a run may go back
FACTOR = 0.5


class Diverged(UserError):
    """Every member of a group has failed."""


class Health:
    """Which members of a group have failed, how many steps each skipped, and by what their rate is lowered.

    `optim.on_nonfinite`: stop ends the member (the others go on); skip leaves a step out and ends the
    member after SKIPPED_IN_A_ROW of them; lower_rate goes back to the last checkpoint (Loop).
    """

    def __init__(self, group: Group, policy: str):
        self.group, self.policy = group, policy
        self.restore({})

    def restore(self, place: dict) -> None:
        """As it was when the checkpoint with `place` was made."""
        size = self.group.size
        self.failed = {int(i): reason for i, reason in place.get("failed", {}).items()}
        self.skipped = np.array(place.get("skipped", [0] * size))
        self.in_a_row = np.array(place.get("skipped_in_a_row", [0] * size))

    def place(self) -> dict:
        return {
            "failed": {str(i): reason for i, reason in self.failed.items()},
            "skipped": self.skipped.tolist(),
            "skipped_in_a_row": self.in_a_row.tolist(),
        }

    @property
    def alive(self) -> list[int]:
        return [i for i in range(self.group.size) if i not in self.failed]

    def step(
        self, shape: Shape, step: int, metrics: dict[str, np.ndarray], good: Callable[[], int | None]
    ) -> None:
        """Metrics of a train step, each [] or [members]; good: gives the step of the last
        checkpoint."""
        if self.policy == "skip":
            skipped = np.atleast_1d(metrics["skipped"]) > 0
            self.skipped += skipped
            self.in_a_row = np.where(skipped, self.in_a_row + 1, 0)
            for i in self.alive:
                if self.in_a_row[i] >= SKIPPED_IN_A_ROW:
                    what = f"{SKIPPED_IN_A_ROW} steps in a row had no finite loss and gradient"
                    self.fail(i, what, shape, step, good)
            return
        for name in ("loss", "grad_norm"):
            self.check_all(name, metrics[name], shape, step, good)

    def check_all(
        self, name: str, values: np.ndarray, shape: Shape, step: int, good: Callable[[], int | None]
    ) -> None:
        """`check` of every member; values: [] or [members]."""
        for i, value in enumerate(np.atleast_1d(values)):
            self.check(i, name, float(value), shape, step, good)

    def check(
        self, i: int, name: str, value: float, shape: Shape, step: int, good: Callable[[], int | None]
    ) -> None:
        """Member i fails where `value` is not finite."""
        if not np.isfinite(value) and i not in self.failed:
            self.fail(i, f"{name} is {value}", shape, step, good)

    def fail(self, i: int, what: str, shape: Shape, step: int, good: Callable[[], int | None]) -> None:
        """Raises Diverged where no member is left."""
        step_of = good()
        last = f"the checkpoint of step {step_of} is good" if step_of else "no checkpoint was made before"
        self.failed[i] = (
            f"{self.group.members[i].path.name}: {what} at step {step} ({shape});"
            f" lower optim.lr {self.group.optims[i].lr:g} ({last})"
        )
        if not self.alive:
            raise Diverged(self.message())

    def message(self) -> str:
        return "; ".join(self.failed[i] for i in sorted(self.failed))
