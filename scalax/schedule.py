"""Which shape a model has while it trains: plain data, to and from JSON."""

import itertools
import json
from typing import Any, NamedTuple

from etils import epath

from scalax.errors import UserError
from scalax.files import write_atomically

SAYS_PATCH_1 = ("V", "M")  # families whose names say a patch of 1 too, as they always did


class Shape(NamedTuple):
    """Patch size in pixels, width (embedding dimension) and depth (blocks) of a model of one family.

    The families are those of scalax.models; this file knows none. Where a family has no patches, `patch` is
    1. A ResNet's width is that of the stem, its depth that of its name.
    """

    patch: int
    width: int
    depth: int
    family: str = "V"

    def __str__(self) -> str:
        name = f"{self.family}{self.width}-{self.depth}"
        unsaid = self.patch == 1 and self.family not in SAYS_PATCH_1
        return name if unsaid else f"{name}/{self.patch}"

    @classmethod
    def of(cls, record: Any) -> "Shape":
        """The shape that a run had at an evaluation (records.RunRecord)."""
        return cls(record.patch, record.width, record.depth, record.family)

    def to_json(self) -> dict:
        """The fields; the family only where it is not V."""
        fields = self._asdict()
        return fields if self.family != "V" else {k: v for k, v in fields.items() if k != "family"}

    @classmethod
    def from_json(cls, data: dict) -> "Shape":
        """Raises KeyError, TypeError or ValueError on what `to_json` could not have written."""
        family = str(data.get("family", "V"))
        return cls(int(data["patch"]), int(data["width"]), int(data["depth"]), family)


class Stage(NamedTuple):
    """Train at `shape` until the run has spent `until_flops` training FLOPs in all.

    patches: where not empty, each step draws its patch size from these, uniformly ('FlexiViT', section 3; all
    runs of the schedule draw the same); `shape.patch`, one of them, is the one that the model is evaluated
    at. batch_size, lr and weight_decay: where given, instead of the config's.
    """

    shape: Shape
    until_flops: float
    patches: tuple[int, ...] = ()
    batch_size: int | None = None
    lr: float | None = None
    weight_decay: float | None = None

    def shapes(self) -> tuple[Shape, ...]:
        """All shapes that its steps may have."""
        return tuple(self.shape._replace(patch=patch) for patch in self.patches) or (self.shape,)


class Schedule(NamedTuple):
    """Stages in order; their `until_flops` increase, and the last is the run's budget."""

    stages: tuple[Stage, ...]

    @property
    def budget_flops(self) -> float:
        return self.stages[-1].until_flops

    def to_json(self) -> dict:
        return {"stages": [_stage_json(stage) for stage in self.stages]}

    @classmethod
    def from_json(cls, data: dict) -> "Schedule":
        """Raises UserError where a key is missing or the stages are empty or out of order; keys that are
        not a schedule's are passed over."""
        try:
            stages = tuple(_stage(s) for s in data["stages"])
        except (KeyError, TypeError, ValueError) as e:
            what = f"{type(e).__name__} {e}"
            raise UserError(f"schedule: {what}; want stages of patch, width, depth, until_flops") from None
        ends = [0.0, *(stage.until_flops for stage in stages)]
        if not stages or any(not a < b for a, b in itertools.pairwise(ends)):
            raise UserError(f"schedule: until_flops must be positive and increase, got {ends[1:]}")
        for stage in stages:
            if (stage.batch_size or 1) < 1 or not (stage.lr or 1) > 0 or not (stage.weight_decay or 0) >= 0:
                raise UserError(
                    f"schedule: a stage's own settings must be positive, got {_stage_json(stage)}"
                )
        for shape, patches in ((s.shape, s.patches) for s in stages if s.patches):
            if shape.patch not in patches or min(patches) < 1 or len(set(patches)) < len(patches):
                raise UserError(
                    f"schedule: patches must be positive, distinct and hold the stage's patch {shape.patch},"
                    f" got {list(patches)}"
                )
        return cls(stages)

    def save(self, path: Any) -> None:
        write_atomically(path, json.dumps(self.to_json(), indent=2) + "\n")

    @classmethod
    def load(cls, path: Any) -> "Schedule":
        """Read what `save` wrote. Raises UserError where the file is missing or no schedule."""
        try:
            return cls.from_json(json.loads(epath.Path(path).read_text()))
        except OSError as e:
            raise UserError(f"schedule {path}: cannot read it ({e.strerror or e})") from None
        except json.JSONDecodeError as e:
            raise UserError(f"schedule {path}: line {e.lineno} is not JSON ({e.msg})") from None


OWN = {"batch_size": int, "lr": float, "weight_decay": float}  # settings that a stage may have of its own


def _stage_json(stage: Stage) -> dict:
    drawn = {"patches": list(stage.patches)} if stage.patches else {}
    own = {name: getattr(stage, name) for name in OWN if getattr(stage, name) is not None}
    return {**stage.shape.to_json(), "until_flops": stage.until_flops, **drawn, **own}


def _stage(data: dict) -> Stage:
    shape = Shape.from_json(data)
    patches = tuple(int(p) for p in data.get("patches", ()))
    own = {name: kind(data[name]) for name, kind in OWN.items() if name in data}
    return Stage(shape, float(data["until_flops"]), patches, **own)
