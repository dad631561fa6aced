"""One ladder of shapes: its runs are made, and compared."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from scalax import metrics, plan, records
from scalax.plan import Trajectory
from scalax.records import RunRecord
from scalax.schedule import Schedule, Shape
from scalax.studies.adaptive import compare, cooled, fits, foretold, other_plans, planning, tuning
from scalax.studies.adaptive.config import EFFICIENTTRAIN, LEAST_POINTS, AdaptiveConfig
from scalax.studies.adaptive.result import Change, LadderResult, MethodRun, Pilot, Settings
from scalax.studies.adaptive.seconds import paces
from scalax.studies.adaptive.specs import Specs
from scalax.train import RunSpec

Runs = list[list[RunRecord]]  # of each seed
TrainRuns = Callable[[Sequence[RunSpec]], list]  # the records of each run


class LadderRuns(NamedTuple):
    """What was trained for a ladder.

    - settings: of each shape, and the FLOPs that their search took. made: the plan that is compared.
    - pilots: runs that made the plan better. methods: the records of all runs that are compared.
    - cooled: of each method and seed, a run a share.
    - others: plans that are compared with the plan alone, and their runs.
    """

    settings: dict[Shape, Settings]
    tuning_flops: float
    made: planning.Planning
    pilots: list[planning.PilotRun]
    methods: dict[str, Runs]
    cooled: dict[str, list[Runs]]
    others: other_plans.OtherPlans
    other_runs: dict[str, Runs]


def make_ladder(
    config: AdaptiveConfig,
    name: str,
    example_flops: Mapping[Shape, float],
    targets: int,
    train: Mapping[str, TrainRuns],
    train_cooled: cooled.TrainCooled,
) -> LadderResult:
    """Train all runs of the ladder, fit laws, plan, and compare.

    - config: of the study.
    - name: of the ladder.
    - example_flops: training FLOPs of each shape for an example.
    - targets: how many an error is a share of.
    - train: trains runs in a directory: those of the study in 'runs', those of the search for settings in
      'tuning', and those on images of their lowest frequencies in EFFICIENTTRAIN.
    - train_cooled: trains runs that branch off others.

    Raises UserError where the metric was not measured.
    """
    least = metrics.least(config.metric, targets)
    settings, tuning_flops = tuning.tune(config, list(example_flops), train["tuning"])
    specs = Specs(config, name, example_flops, settings)
    alone = {str(shape): specs.static(shape) for shape in example_flops}
    statics = _train_methods(train["runs"], alone)
    curves = {shape: _trajectories(statics[str(shape)], config.metric, least) for shape in example_flops}
    carried = None
    if config.carry == "examples":
        carried = foretold.carried_of(example_flops, config.run)
    budget = config.run.budget_flops
    made = planning.make_plan(curves, config.law, budget, config.first_flops, carried)
    pilots = []
    if config.replans:

        def train_pilot(schedule: Schedule) -> list[RunRecord]:
            [run] = train["runs"]([specs.pilot(schedule)])
            return run

        pilots = planning.refine(made, config.replans, train_pilot, config.metric, least)
        made = min(pilots, key=lambda pilot: pilot.mean).planning if pilots else made
    others = {"adaptive": specs.method("adaptive", made.changing)} if made.changing else {}
    others |= {"online": specs.online()} if config.online else {}
    others |= {method: specs.baseline(method) for method in config.baselines if method != EFFICIENTTRAIN}
    more = other_plans.make(config, made, curves, example_flops)
    trained = _train_methods(train["runs"], others | more.specs(specs))
    other_runs = {name: trained.pop(name) for name in more.schedules}
    methods, trunks = statics | trained, alone | {name: others[name] for name in trained}
    if EFFICIENTTRAIN in config.baselines:
        low = {EFFICIENTTRAIN: specs.baseline(EFFICIENTTRAIN)}
        methods |= _train_methods(train[EFFICIENTTRAIN], low)
    cooler = cooled.train(specs, trunks, methods, train_cooled) if config.cooldowns else {}
    runs = LadderRuns(settings, tuning_flops, made, pilots, methods, cooler, more, other_runs)
    return _compared(config, example_flops, targets, curves, runs)


def _compared(
    config: AdaptiveConfig,
    example_flops: Mapping[Shape, float],
    targets: int,
    curves: Mapping[Shape, list[Trajectory]],
    trained: LadderRuns,
) -> LadderResult:
    """What came of the runs. curves: of the static runs of each shape, one a seed."""
    methods, made, metric = trained.methods, trained.made, config.metric
    statics = [str(shape) for shape in example_flops]
    least = metrics.least(metric, targets)

    def joined(metric: str, methods: Mapping[str, Runs] = methods) -> dict[str, list[Trajectory]]:
        """The curves of each method, the same where they are the same run."""
        least = metrics.least(metric, targets)
        measured = {name: [records.measured(run, metric) for run in runs] for name, runs in methods.items()}
        own = {name: _trajectories(runs, metric, least) for name, runs in measured.items()}
        return compare.share_starts(own, measured)

    shown = joined(metric)
    measured_paces = paces(methods[name] for name in statics)
    switches = [
        switch
        for run in methods.get("adaptive", [])
        for switch in plan.measure_switches(run, metric, made.laws, least)
    ]
    carried = made.carried or foretold.carried_of(example_flops, config.run)
    # Of patches that are drawn, and of images that are resized otherwise, there are no laws.
    changing = [
        run for name, runs in methods.items() if name not in ("flexi", EFFICIENTTRAIN) for run in runs
    ]
    moved, few = [], []
    if trained.others.moved or trained.others.few:
        every = {name: runs for name, runs in methods.items() if name in (*statics, other_plans.PLAN)}
        every |= trained.other_runs
        rows = compare.targets(config, statics, joined(metric, every), every, measured_paces)
        moved, few = trained.others.compared(config, every, rows, least)
    planning_runs = [*(methods[name] for name in statics), [pilot.run for pilot in trained.pilots]]
    return LadderResult(
        shapes=statics,
        settings={str(shape): own for shape, own in trained.settings.items()},
        laws={
            str(shape): fits.summary(fit, config.first_flops, config.run.budget_flops)
            for shape, fit in made.laws.items()
        },
        plan=made.summary(),
        planning_flops=trained.tuning_flops + compare.spent(planning_runs),
        cheap=made.cheap(curves),
        pilots=[_pilot(pilot, taken=pilot.planning is made) for pilot in trained.pilots],
        switches=[Change(**switch.to_json()) for switch in switches],
        runs={
            name: [_method_run(config, least, *pair) for pair in zip(runs, shown[name], strict=True)]
            for name, runs in methods.items()
        },
        targets=compare.targets(config, statics, shown, methods, measured_paces),
        other_targets={
            other: compare.targets(config, statics, joined(other), methods, measured_paces)
            for other in metrics.planned(methods[statics[0]][0][-1].metrics)
            if other != metric and _often_measured(other, methods)
        },
        isoflop=compare.isoflop(curves, example_flops, config.first_flops),
        frontier=compare.frontier(
            shown, statics, [name for name in ("adaptive", "online") if name in methods]
        ),
        step_s={str(shape): pace.step_s for shape, pace in measured_paces.items()},
        search_flops=trained.tuning_flops,
        cooled=cooled.compared(config, statics, trained.cooled, shown, least) if trained.cooled else None,
        shifts=tuple(moved),
        fewer=tuple(few),
        foretold=tuple(foretold.foretold(made, carried, changing, metric, least)),
    )


def _trajectories(runs: Runs, metric: str, least: float) -> list[Trajectory]:
    return [plan.trajectory_of(run, metric, least) for run in runs]


def _often_measured(metric: str, methods: Mapping[str, Runs]) -> bool:
    """Whether every run has a curve of the metric: some evaluations take part in a few only."""
    return all(
        len(records.measured(run, metric)) >= LEAST_POINTS for runs in methods.values() for run in runs
    )


def _method_run(config: AdaptiveConfig, least: float, run: list[RunRecord], curve: Trajectory) -> MethodRun:
    own = plan.trajectory_of(run, config.metric, least)
    return MethodRun(
        run=run[0].run,
        flops=curve[0].tolist(),
        values=curve[1].tolist(),
        mean=plan.mean_so_far(own, config.first_flops, config.run.budget_flops),
        shapes=list(dict.fromkeys(str(Shape.of(record)) for record in run)),
        wall_s=run[-1].wall_s,
        examples=run[-1].examples,
    )


def _train_methods(train_runs: TrainRuns, methods: Mapping[str, list[RunSpec]]) -> dict[str, Runs]:
    """All runs of all methods, shared out at once."""
    runs = iter(train_runs([spec for specs in methods.values() for spec in specs]))
    return {method: [next(runs) for _ in specs] for method, specs in methods.items()}


def _pilot(pilot: planning.PilotRun, taken: bool) -> Pilot:
    changes = [Change(**switch.to_json()) for switch in pilot.switches]
    return Pilot(pilot.run[0].run, pilot.planning.message, pilot.mean, taken, changes)
