"""Plans beside the plan of a ladder: its changes at other FLOPs, and plans of fewer shapes."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from scalax.plan import Trajectory
from scalax.records import RunRecord
from scalax.schedule import Schedule, Shape
from scalax.studies.adaptive import fewer, shifts
from scalax.studies.adaptive.config import AdaptiveConfig
from scalax.studies.adaptive.planning import Planning
from scalax.studies.adaptive.result import Fewer, Shift, Target
from scalax.studies.adaptive.specs import Specs
from scalax.train import RunSpec

Runs = list[list[RunRecord]]  # of each seed
PLAN = "adaptive"  # the method that trains by the plan itself


class OtherPlans(NamedTuple):
    """Plans that are compared with the plan alone.

    - moved: its changes at each factor of their FLOPs, and how many that leaves out.
    - few: of each number of shapes, the plan itself last.
    - shapes: of the ladder, from cheap to dear.
    - schedules: those to train, by a name for each.
    - factors, counts: the name of the runs by each factor and number, the plan's among them; none where no
      change of shape is left.
    """

    moved: dict[float, tuple[Schedule, int]]
    few: dict[int, Planning]
    shapes: list[Shape]
    schedules: dict[str, Schedule]
    factors: dict[float, str]
    counts: dict[int, str]

    def specs(self, specs: Specs) -> dict[str, list[RunSpec]]:
        """Runs by each schedule. specs: of the ladder."""
        factor_of = {name: factor for factor, name in self.factors.items()}
        return {
            name: specs.shifted(factor_of[name], schedule) if name in factor_of else specs.fewer(schedule)
            for name, schedule in self.schedules.items()
        }

    def compared(
        self, config: AdaptiveConfig, runs: Mapping[str, Runs], rows: Sequence[Target], least: float
    ) -> tuple[list[Shift], list[Fewer]]:
        """What came of the runs.

        - config: of the study.
        - runs: by name, those of the plan among them.
        - rows: what each of them needs for each target (compare.targets).
        - least: what the metric is taken to be at least.
        """
        left_out = {factor: count for factor, (_, count) in self.moved.items()}
        by_factor = {factor: runs[name] for factor, name in self.factors.items()}
        by_count = {count: runs[name] for count, name in self.counts.items()}
        moved = shifts.summary(config, left_out, by_factor, rows, self.factors, least) if by_factor else []
        return moved, fewer.summary(config, self.few, self.shapes, by_count, rows, self.counts, least)


def make(
    config: AdaptiveConfig,
    made: Planning,
    curves: Mapping[Shape, list[Trajectory]],
    example_flops: Mapping[Shape, float],
) -> OtherPlans:
    """Those that the config asks for.

    - config: of the study.
    - made: the plan.
    - curves: of each static shape, one a seed.
    - example_flops: training FLOPs of each shape for an example.
    """
    moved, factors, few, counts = {}, {}, {}, {}
    shapes = sorted(example_flops, key=example_flops.__getitem__)
    if config.shifts and made.changing:
        moved = shifts.schedules(config, made.changing)
        factors = {factor: f"shift {factor!r}" for factor, (plan, _) in moved.items() if len(plan.stages) > 1}
    schedules = {name: moved[factor][0] for factor, name in factors.items()}
    if config.fewer_shapes:
        few = fewer.plans(config, curves, shapes, made.carried) | {len(shapes): made}
    names = {made.changing: PLAN}
    for count, each in few.items():
        if each.changing:
            counts[count] = names.setdefault(each.changing, f"{count} shapes")
            schedules[counts[count]] = each.changing
    schedules.pop(PLAN, None)
    factors |= {1.0: PLAN} if moved else {}
    return OtherPlans(moved, few, shapes, schedules, factors, counts)
