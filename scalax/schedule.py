"""Which shape a model has while it trains: plain data, to and from JSON."""

import itertools
import json
from typing import NamedTuple

from etils import epath

from scalax.errors import UserError


class Shape(NamedTuple):
    """Patch size in pixels, width (embedding dimension) and depth (blocks)."""

    patch: int
    width: int
    depth: int

    def __str__(self) -> str:
        return f"V{self.width}-{self.depth}/{self.patch}"


class Stage(NamedTuple):
    """Train at `shape` until the run has spent `until_flops` training FLOPs in all."""

    shape: Shape
    until_flops: float


class Schedule(NamedTuple):
    """Stages in order; their `until_flops` increase, and the last is the run's budget."""

    stages: tuple[Stage, ...]

    @property
    def budget_flops(self) -> float:
        return self.stages[-1].until_flops

    def to_json(self) -> dict:
        return {"stages": [{**s.shape._asdict(), "until_flops": s.until_flops} for s in self.stages]}

    @classmethod
    def from_json(cls, data: dict) -> "Schedule":
        """Raises UserError where a key is missing or the stages are empty or out of order."""
        try:
            stages = tuple(
                Stage(Shape(int(s["patch"]), int(s["width"]), int(s["depth"])), float(s["until_flops"]))
                for s in data["stages"]
            )
        except (KeyError, TypeError, ValueError) as e:
            what = f"{type(e).__name__} {e}"
            raise UserError(f"schedule: {what}; want stages of patch, width, depth, until_flops") from None
        ends = [0.0, *(stage.until_flops for stage in stages)]
        if not stages or any(not a < b for a, b in itertools.pairwise(ends)):
            raise UserError(f"schedule: until_flops must be positive and increase, got {ends[1:]}")
        return cls(stages)

    def save(self, path) -> None:
        epath.Path(path).write_text(json.dumps(self.to_json(), indent=2) + "\n")

    @classmethod
    def load(cls, path) -> "Schedule":
        """Read what `save` wrote. Raises UserError where the file is missing or no schedule."""
        try:
            return cls.from_json(json.loads(epath.Path(path).read_text()))
        except OSError as e:
            raise UserError(f"schedule {path}: cannot read it ({e.strerror or e})") from None
        except json.JSONDecodeError as e:
            raise UserError(f"schedule {path}: line {e.lineno} is not JSON ({e.msg})") from None
