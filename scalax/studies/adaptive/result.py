"""What an adaptive study leaves in study.json. FLOPs are of training; nan is what is not known."""

import math
from typing import NamedTuple

from scalax.schedule import Schedule
from scalax.studies.adaptive.config import AdaptiveConfig
from scalax.studies.protocol import Device, Versions


class Settings(NamedTuple):
    """Hyper-parameters of a shape; None is the config's."""

    batch_size: int | None = None
    lr: float | None = None
    weight_decay: float | None = None


class LawForm(NamedTuple):
    """The law that was fitted: its formula, how its parameters are labelled, in order, and which of them must
    be determined for a plan to be trusted."""

    name: str
    formula: str
    labels: dict[str, str]
    decisive: list[str]


class FittedLaw(NamedTuple):
    """Of one shape. at_bound: parameters at the end of their range. flops, values: points of the law."""

    params: dict[str, float]
    stderr: dict[str, float]
    rmsle: float
    at_bound: list[str]
    flops: list[float]
    values: list[float]

    def determined(self, name: str) -> bool:
        """Whether a parameter's standard error is known and smaller than the parameter."""
        return 0 < self.stderr[name] < abs(self.params[name]) < math.inf


class Transition(NamedTuple):
    """Of a plan: at a value of the metric, after so many FLOPs, one shape gives way to the next."""

    before: str
    after: str
    error: float
    flops: float


class PlanSummary(NamedTuple):
    """schedule is None where no plan could be made, and the message says why. flops, errors: its curve."""

    message: str
    schedule: Schedule | None
    transitions: list[Transition]
    flops: list[float]
    errors: list[float]


class CheapPlan(NamedTuple):
    """What a plan from the first `share` of each static run would have been worth (plan.CheapPlan)."""

    share: float
    planning_flops: float
    plan: str | None
    savings: float
    net_savings: float
    reason: str


class Change(NamedTuple):
    """One change of shape of one run (plan.Switch)."""

    run: str
    before: str
    after: str
    flops: float
    value: float
    jump: float
    recovery_flops: float
    recovered: bool
    pace: float
    recovery_share: float


class Pilot(NamedTuple):
    """A pilot run by a plan. mean: geometric mean of the least metric so far; taken: it gave the plan."""

    run: str
    plan: str
    mean: float
    taken: bool
    switches: list[Change]


class MethodRun(NamedTuple):
    """One run of a method. flops, values: its curve, read as those that it shares a start with are; mean:
    the geometric mean over log FLOPs of the least value so far; shapes: in order of their first use;
    examples: seen in all, 0 where that is not known."""

    run: str
    flops: list[float]
    values: list[float]
    mean: float
    shapes: list[str]
    wall_s: float
    examples: int = 0


class Needed(NamedTuple):
    """What a method needs for a target, seed by seed. savings: FLOPs (or time) of the best static run over
    its own; their geometric mean over the seeds, and one by one. wall_s: steps times the seconds of a step of
    their shape. same: whether, by then, it was still the best static run itself, as it had not changed."""

    flops: list[float]
    wall_s: list[float]
    savings: float
    savings_by_seed: list[float]
    wall_savings: float
    same: list[bool]


class Target(NamedTuple):
    """A value of the metric, the static shape that reaches it first in each seed (None: none does), and what
    each method needs."""

    target: float
    best_static: list[str | None]
    methods: dict[str, Needed]


class IsoFlop(NamedTuple):
    """What each static shape has reached at the same FLOPs (plan.IsoFlop). example_flops: of each shape, for
    one example."""

    flops: float
    values: dict[str, float]
    best: str | None
    optimal_size: float
    optimal_value: float
    example_flops: list[float]


class FrontierPoint(NamedTuple):
    """FLOPs of the best static shape and of the best scheduled run to the same value, and their ratio."""

    value: float
    static: str
    static_flops: float
    scheduled: str
    scheduled_flops: float
    ratio: float


class Saved(NamedTuple):
    """FLOPs to a target, seed by seed; those of the best cooled static shape over them: their geometric mean
    over the seeds, and one by one."""

    flops: list[float]
    savings: float
    savings_by_seed: list[float]


class CooledTarget(NamedTuple):
    """A value of the metric, and the static shape whose cooled runs reach it first in each seed; what each
    method needs, cooled and at a constant rate, and the best static shape at a constant rate."""

    target: float
    best_static: list[str | None]
    cooled: dict[str, Saved]
    constant: dict[str, Saved]
    static_constant: Saved


class CooledCurve(NamedTuple):
    """The cooled runs of a method and seed, one a share: names, FLOPs (with those until the cooldown), and
    values at their end."""

    runs: list[str]
    flops: list[float]
    values: list[float]


class Cooled(NamedTuple):
    """Runs whose learning rate falls to zero at their end. shares: of the budget, at which they end. curves:
    of each method, one a seed."""

    shares: list[float]
    curves: dict[str, list[CooledCurve]]
    targets: list[CooledTarget]


class Shift(NamedTuple):
    """The plan with its changes of shape at `factor` times their FLOPs.

    - left_out: changes that would fall before the first FLOPs or outside the budget.
    - trained: whether there are runs; not where all changes are left out.
    - mean: of `means`, the error over each run (MethodRun.mean).
    - targets: of the ladder, and what is needed for each.
    """

    factor: float
    left_out: int
    trained: bool
    mean: float
    means: list[float]
    targets: list[float]
    needed: list[Needed]


class Fewer(NamedTuple):
    """The plan of `count` of the ladder's shapes.

    - shapes: these. plan: in words.
    - means: the error over the run of each seed (MethodRun.mean); empty where the plan changes no shape.
    - targets: of the ladder, and what is needed for each; `needed` is empty where there are no runs.
    - changes: of shape, of all seeds.
    """

    count: int
    shapes: list[str]
    plan: str
    means: list[float]
    targets: list[float]
    needed: list[Needed]
    changes: list[Change]


class Foretold(NamedTuple):
    """How far a run that changed its shape was from what laws said of it: root mean square of the log ratio
    of the least metric so far, from its first change on.

    - by_errors: where a run keeps its error at a change (plan.follow).
    - by_examples: where it keeps what it learnt (plan.follow_examples); None in widths and depths.
    """

    run: str
    by_errors: float
    by_examples: float | None


class LadderResult(NamedTuple):
    """One ladder of shapes.

    - runs: of each method, one a seed; the static runs are named by their shape. frontier: of each seed.
    - planning_flops: of the search, the static runs and the pilots; search_flops: of the search alone.
    - step_s: seconds of a step of each shape, measured in its static runs.
    - cooled: where the study has cooldowns. shifts: of the plan, in order, with the plan itself.
    - fewer: plans with fewer shapes, that of all of them last.
    - foretold: the runs that changed their shape.
    """

    shapes: list[str]
    settings: dict[str, Settings]
    laws: dict[str, FittedLaw]
    plan: PlanSummary
    planning_flops: float
    cheap: list[CheapPlan]
    pilots: list[Pilot]
    switches: list[Change]
    runs: dict[str, list[MethodRun]]
    targets: list[Target]
    other_targets: dict[str, list[Target]]
    isoflop: list[IsoFlop]
    frontier: list[list[FrontierPoint]]
    step_s: dict[str, float]
    search_flops: float = math.nan
    cooled: Cooled | None = None
    shifts: tuple[Shift, ...] = ()
    fewer: tuple[Fewer, ...] = ()
    foretold: tuple[Foretold, ...] = ()

    @property
    def others(self) -> list[str]:
        """The methods but the static shapes."""
        return [name for name in self.runs if name not in self.shapes]


class StepFlops(NamedTuple):
    """By XLA's count, and of products and convolutions alone."""

    flops: float
    flops_matmul: float


class ShapeCost(NamedTuple):
    """Of a training step at the global batch, and of the forward pass of one example."""

    step: StepFlops
    explained: dict[str, float]
    reason: str
    forward_macs: float
    params: int


class AdaptiveResult(NamedTuple):
    """examples: numbers of them to train and to validate on ('train', 'validation'). unit: of them, as the
    task has it. units: of metrics by name, where the task knows them better than scalax.metrics."""

    config: AdaptiveConfig
    device: Device
    versions: Versions
    examples: dict[str, int]
    costs: dict[str, ShapeCost]
    law: LawForm
    ladders: dict[str, LadderResult]
    unit: str = "examples"
    units: dict[str, str] = {}  # noqa: RUF012
