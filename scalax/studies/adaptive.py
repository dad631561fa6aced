"""Static runs of each shape, their laws, the schedule that follows the steepest, and runs by it.

After 'Navigating Scaling Laws: Compute Optimality in Adaptive Model Training' (sections 3 and 4).
"""

import dataclasses
import functools
import hashlib
import itertools
import json
from collections.abc import Callable, Mapping, Sequence

from etils import epath

from scalax import data, plan, records, train
from scalax.config_adaptive import METRICS, AdaptiveConfig
from scalax.plan.compare import Curve
from scalax.records import RunRecord
from scalax.schedule import Schedule, Shape, Stage
from scalax.studies import compare, planning, tuning
from scalax.studies.evaluation import make_evaluator
from scalax.studies.runs import Planned, execute
from scalax.train import distributed

Runs = list[list[RunRecord]]  # of each seed


def run(config: AdaptiveConfig, out, hooks: Sequence[train.Hook] = (), tell: Callable = print) -> dict:
    """Do what is missing of the study in directory `out`; returns what it wrote to study.json."""
    config, out = config.scaled(), epath.Path(out)
    splits = data.load(config.data)
    setup = train.Setup(config, splits)
    for family in config.families().values():  # a bad shape or budget is found before anything is trained
        for shape in family:
            train.check(setup, Schedule((Stage(shape, config.budget_flops),)))
    costs = {}

    def runner(setup: train.Setup, place: str, lenient: bool = False) -> Callable:
        evaluator = functools.cache(lambda: make_evaluator(setup.config, splits))

        def go(planned: Sequence[Planned]) -> list:
            """The records of each run; with `lenient`, None of one that failed."""
            results = execute(setup, evaluator(), planned, out / place, hooks, tell, lenient)
            for result in results.values():
                costs.update(result.info["costs"])
            return [results[run.name].records if run.name in results else None for run in planned]

        return go

    go = runner(setup, "runs")
    search = runner(setup.evaluated(tuning.evaluation(config)), "tuning", lenient=True)
    families = {}
    for name, shapes in config.families().items():
        image_flops = {shape: setup.cost(shape).step.flops / config.batch_size for shape in shapes}
        families[name] = Family(config, name, image_flops, len(splits.validation), go, search).study()
    study = {
        "study": config.study,
        "name": config.name,
        "metric": config.metric,
        "config": dataclasses.asdict(config),
        **train.environment(),
        "images": {"train": len(splits.train), "validation": len(splits.validation)},
        "costs": costs,
        "families": families,
    }
    if distributed.is_primary():
        records.write_atomically(out / "study.json", records.dumps(study, indent=1) + "\n")
    return study


class Family:
    """The runs of shapes that one model may go through, and what comes of them."""

    def __init__(
        self,
        config: AdaptiveConfig,
        name: str,
        image_flops: Mapping[Shape, float],
        images: int,
        go: Callable,
        search: Callable,
    ):
        """image_flops: training FLOPs of each shape for an image; images: those to validate on; go and
        search: train the runs of the study and those of the search."""
        self.config, self.name, self.image_flops = config, name, image_flops
        self.go, self.search = go, search
        self.shapes = list(image_flops)
        self.least = 0.5 / images  # an error of no image wrong becomes that of half an image
        self.first_flops = config.law_first_share * config.budget_flops

    def study(self) -> dict:
        config = self.config
        self.settings, tuning_flops = tuning.tune(config, self.shapes, self.search)
        statics = self.make({str(shape): self.each_seed(shape, self.static(shape)) for shape in self.shapes})
        curves = {shape: self.curves(statics[str(shape)]) for shape in self.shapes}
        planned = self.plan(curves)
        pilots = self.pilots(planned) if config.replans else []
        best = min(pilots, key=lambda pilot: pilot.mean, default=None)
        if best:
            planned = best.planning
        others = {}
        if planned.changing:
            others["adaptive"] = self.each_seed("adaptive", planned.changing)
        if config.online:
            others["online"] = self.online()
        others |= {name: self.baseline(name) for name in config.baselines}
        methods = statics | self.make(others)
        joined = self.joined(methods, config.metric)
        scheduled = [name for name in ("adaptive", "online") if name in methods]
        metrics = [name for name in METRICS if name in statics[str(self.shapes[0])][0][0].metrics]
        return {
            "shapes": [str(shape) for shape in self.shapes],
            "settings": {str(shape): own._asdict() for shape, own in self.settings.items()},
            "laws": planned.laws_json(),
            "plan": planned.to_json(),
            "planning_flops": tuning_flops
            + compare.spent([*statics.values(), [pilot.run for pilot in pilots]]),
            "cheap": planned.cheap_json(curves),
            "pilots": [pilot.to_json(taken=pilot is best) for pilot in pilots],
            "switches": [
                switch.to_json()
                for run in methods.get("adaptive", [])
                for switch in plan.measure_switches(run, config.metric, planned.laws, self.least)
            ],
            "runs": {
                name: [self.run_json(*pair) for pair in zip(runs, joined[name], strict=True)]
                for name, runs in methods.items()
            },
            "targets": compare.targets(config, list(statics), joined, methods),
            "other_targets": {
                metric: compare.targets(config, list(statics), self.joined(methods, metric), methods)
                for metric in metrics
                if metric != config.metric
            },
            "isoflop": compare.isoflop(curves, self.image_flops, self.first_flops),
            "frontier": compare.frontier(joined, list(statics), scheduled),
        }

    def make(self, methods: Mapping[str, list[Planned]]) -> dict[str, Runs]:
        """All runs of all methods, shared out at once."""
        runs = iter(self.go([run for planned in methods.values() for run in planned]))
        return {name: [next(runs) for _ in planned] for name, planned in methods.items()}

    def static(self, shape: Shape) -> Schedule:
        return Schedule((Stage(shape, self.config.budget_flops),))

    def with_settings(self, schedule: Schedule) -> Schedule:
        """Each stage with the hyper-parameters that its shape was tuned to."""
        own = [stage._replace(**self.settings[stage.shape]._asdict()) for stage in schedule.stages]
        return Schedule(tuple(own))

    def each_seed(self, name: str | Shape, schedule: Schedule) -> list[Planned]:
        return [self.planned(name, schedule, seed) for seed in self.config.seeds]

    def planned(
        self, name: str | Shape, schedule: Schedule, seed: int, replan: train.Replan | None = None
    ) -> Planned:
        """Its directory is named after the shape, or the family and method; a key tells apart all schedules
        but those of one plain stage."""
        readable = str(name).replace("/", "_patch") if isinstance(name, Shape) else f"{self.name}_{name}"
        own = self.with_settings(schedule)
        if replan:  # what it decides hangs on more than the schedule that it begins with
            what = [self.config.metric, *map(str, self.shapes)]
            readable += f"-{hashlib.sha256(json.dumps(what).encode()).hexdigest()[:8]}"
        if own.stages != (Stage(own.stages[0].shape, own.budget_flops),):
            readable += f"-{hashlib.sha256(json.dumps(own.to_json()).encode()).hexdigest()[:8]}"
        return Planned(f"{readable}_seed{seed}", own, seed, replan=replan)

    def baseline(self, name: str) -> list[Planned]:
        """One schedule for all seeds, but for 'random', which draws one for each."""
        budget = self.config.budget_flops
        return [
            self.planned(
                name,
                plan.baseline(name, self.shapes, budget, self.first_flops, seed if name == "random" else 0),
                seed,
            )
            for seed in self.config.seeds
        ]

    def online(self) -> list[Planned]:
        """Runs that begin at the cheapest shape and plan as they go."""
        shapes = sorted(self.shapes, key=self.image_flops.__getitem__)
        first = self.static(shapes[0])
        return [self.planned("online", first, seed, self.planner(shapes)) for seed in self.config.seeds]

    def planner(self, shapes: Sequence[Shape]) -> train.Replan:
        """Asks plan.Online at each evaluation of one run."""
        costs = {shape: self.image_flops[shape] for shape in shapes}
        new = functools.partial(plan.Online, shapes, costs, self.config.budget_flops, self.config.metric)
        online, seen = new(), 0

        def replan(run: list[RunRecord], schedule: Schedule) -> Schedule:
            nonlocal online, seen
            if len(run) < seen:  # it went back
                online, seen = new(), 0
            for record in run[seen:]:
                online.observe(record)
            seen = len(run)
            *before, now = schedule.stages
            if online.decide() == now.shape:
                return schedule
            rest = self.with_settings(self.static(online.decide())).stages
            return Schedule((*before, now._replace(until_flops=run[-1].flops), *rest))

        return replan

    def curves(self, runs: Runs, metric: str = "") -> list[Curve]:
        return [compare.curve_of(run, metric or self.config.metric, self.least) for run in runs]

    def joined(self, methods: Mapping[str, Runs], metric: str) -> dict[str, list[Curve]]:
        """The curves of each method, the same where they are the same run."""
        return compare.share_starts(
            {name: self.curves(runs, metric) for name, runs in methods.items()}, methods
        )

    def plan(self, curves: Mapping[Shape, list[Curve]]) -> planning.Planning:
        return planning.make_plan(curves, self.config.budget_flops, self.first_flops)

    def pilots(self, planned: planning.Planning) -> list[planning.Pilot]:
        """Runs that make the plan better, by a seed of their own: no run that is compared chose its plan."""
        seed = next(seed for seed in itertools.count() if seed not in self.config.seeds)

        def train_one(schedule: Schedule) -> list[RunRecord]:
            return self.make({"pilot": [self.planned("pilot", schedule, seed)]})["pilot"][0]

        return planning.refine(planned, self.config.replans, train_one, self.config.metric, self.least)

    def run_json(self, run: list[RunRecord], curve: Curve) -> dict:
        return {
            "run": run[0].run,
            "flops": curve[0].tolist(),
            "values": curve[1].tolist(),
            "mean": plan.mean_so_far(self.curves([run])[0], self.first_flops, self.config.budget_flops),
            "shapes": list(dict.fromkeys(str(Shape.of(record)) for record in run)),
            "wall_s": run[-1].wall_s,
        }
