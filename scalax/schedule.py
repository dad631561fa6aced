"""Which shape a model has while it trains: plain data, to and from JSON."""

import itertools
import json
import math
import re
from typing import Any, NamedTuple

from scalax import typed, untrusted
from scalax.errors import UserError
from scalax.files import write_atomically
from scalax.names import printable
from scalax.places import place

# More than any model has: a larger number is a slip, and building such a model does not end.
MOST = {"patch": 4096, "width": 32_768, "depth": 1000, "resolution": 16_384}
MOST_STAGES = 1000
MOST_FLOPS = 1e30
SAYS_PATCH_1 = ("V", "M")  # families whose names say a patch of 1 too, as they always did


class Shape(NamedTuple):
    """Patch size in pixels, width (embedding dimension) and depth (blocks) of a model of one family, and the
    resolution, the side in pixels that images are resized to for it; 0 is the data's own size.

    The families are those of scalax.models; this file knows none. Where a family has no patches, `patch` is
    1. A ResNet's width is that of the stem, its depth that of its name.

    >>> str(Shape(8, 16, 3)), str(Shape(8, 16, 3, resolution=24))
    ('V16-3/8', 'V16-3/8@24')
    """

    patch: int
    width: int
    depth: int
    family: str = "V"
    resolution: int = 0

    def __str__(self) -> str:
        return f"{self.model}@{self.resolution}" if self.resolution else self.model

    @property
    def model(self) -> str:
        """The name of its model (models.build), which does not say the resolution."""
        name = f"{self.family}{self.width}-{self.depth}"
        unsaid = self.patch == 1 and self.family not in SAYS_PATCH_1
        return name if unsaid else f"{name}/{self.patch}"

    def pixels(self, image_size: float = math.inf) -> float:
        """The side of the images that the model sees, where those of the data have `image_size` pixels."""
        return self.resolution or image_size

    def at(self, image_size: int) -> "Shape":
        """The same on data whose images have `image_size` pixels: this resolution is their own, 0."""
        return self._replace(resolution=0) if self.resolution == image_size else self

    @classmethod
    def of(cls, record: Any) -> "Shape":
        """The shape that a run had at an evaluation (records.RunRecord)."""
        return cls(*(getattr(record, name) for name in cls._fields))

    def to_json(self) -> dict:
        """The fields; family and resolution only where they are not V and 0."""
        usual = self._field_defaults
        return {name: value for name, value in self._asdict().items() if value != usual.get(name)}

    @classmethod
    def from_json(cls, data: dict) -> "Shape":
        """Raises UserError on what `to_json` could not have written."""
        return _checked(typed.from_json(_ShapeFile, data, "shape"))


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
        stages = tuple(_stage(each) for each in typed.from_json(_ScheduleFile, data, "schedule").stages)
        if len(stages) > MOST_STAGES:
            raise UserError(f"schedule: has {len(stages)} stages; want {MOST_STAGES} at most")
        if not stages:
            raise UserError("schedule: stages is empty; give one or more")
        ends = [0.0, *(stage.until_flops for stage in stages)]
        if any(not a < b for a, b in itertools.pairwise(ends)) or ends[-1] > MOST_FLOPS:
            got = f"{ends[1:6]}{' ...' if len(ends) > 6 else ''}"
            raise UserError(
                f"schedule: until_flops must be positive, increase and be {MOST_FLOPS:g} at most, got {got}"
            )
        for stage in stages:
            for name in OWN:
                _check_own(name, getattr(stage, name))
        for shape, patches in ((s.shape, s.patches) for s in stages if s.patches):
            for patch in patches:
                check_size("patch", patch, "schedule")
            if shape.patch not in patches or len(set(patches)) < len(patches):
                raise UserError(
                    f"schedule: patches must be distinct and hold the stage's patch {shape.patch},"
                    f" got {list(patches)}"
                )
        return cls(stages)

    def save(self, path: Any) -> None:
        write_atomically(path, json.dumps(self.to_json(), indent=2) + "\n")

    @classmethod
    def load(cls, path: Any) -> "Schedule":
        """Read what `save` wrote. Raises UserError where the file is missing or no schedule."""
        file = place(path, "schedule")
        try:
            raw = untrusted.read_bytes(file)
        except (OSError, ImportError) as e:
            raise UserError(
                f"schedule {path}: cannot read it ({getattr(e, 'strerror', None) or e}); name a file that"
                " scalax plan wrote"
            ) from None
        try:
            data = untrusted.parse_json(raw)
        except ValueError as e:
            raise UserError(f"schedule {path}: {e}; name a file that scalax plan wrote") from None
        try:
            return cls.from_json(data)
        except UserError as e:
            raise UserError(f"schedule {path}: {str(e).removeprefix('schedule').lstrip(':, ')}") from None


OWN = ("batch_size", "lr", "weight_decay")  # settings that a stage may have of its own


class _ShapeFile(NamedTuple):
    patch: int
    width: int
    depth: int
    family: str = "V"
    resolution: int = 0


class _StageFile(NamedTuple):
    patch: int
    width: int
    depth: int
    until_flops: float
    family: str = "V"
    resolution: int = 0
    patches: list[int] = []  # noqa: RUF012
    batch_size: int | None = None
    lr: float | None = None
    weight_decay: float | None = None


class _ScheduleFile(NamedTuple):
    stages: list[_StageFile]


def check_size(name: str, value: int, what: str) -> None:
    """Raises UserError where a shape's patch, width, depth or resolution is less than it can be or more than
    any model has.

    - name: patch, width, depth or resolution.
    - value: of it.
    - what: begins the message.
    """
    least = 0 if name == "resolution" else 1  # 0: the data's own
    if not least <= value <= MOST[name]:
        raise UserError(f"{what}: {name} must lie between {least} and {MOST[name]}, got {value}")


def _checked(found: "_ShapeFile | _StageFile") -> Shape:
    for name in MOST:
        check_size(name, getattr(found, name), "schedule")
    if not re.fullmatch(r"[A-Z][A-Za-z]{0,15}", found.family):
        raise UserError(f"schedule: {printable(found.family)[:40]!r} is no family of models, such as V")
    return Shape.of(found)


def _check_own(name: str, value: float | None) -> None:
    if value is None:
        return
    is_good = 0 <= value < math.inf if name == "weight_decay" else 0 < value < math.inf
    if not is_good:
        least = "at least 0" if name == "weight_decay" else "positive"
        raise UserError(f"schedule: a stage's own {name} must be {least}, got {value}")


def _stage_json(stage: Stage) -> dict:
    drawn = {"patches": list(stage.patches)} if stage.patches else {}
    own = {name: getattr(stage, name) for name in OWN if getattr(stage, name) is not None}
    return {**stage.shape.to_json(), "until_flops": stage.until_flops, **drawn, **own}


def _stage(found: _StageFile) -> Stage:
    own = {name: getattr(found, name) for name in OWN}
    return Stage(_checked(found), found.until_flops, tuple(found.patches), **own)
