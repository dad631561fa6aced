"""The runs of one ladder of shapes: their names, schedules and seeds. Nothing is trained here."""

import itertools
from collections.abc import Mapping, Sequence

from scalax import plan, train
from scalax.names import number_text
from scalax.records import RunRecord
from scalax.schedule import Schedule, Shape, Stage
from scalax.studies import naming
from scalax.studies.adaptive import online
from scalax.studies.adaptive.config import AdaptiveConfig
from scalax.studies.adaptive.result import Settings
from scalax.train import RunSpec, cooldown_begins


class Specs:
    """Run specs of a ladder, each stage with the settings that its shape was tuned to.

    - config: of the study.
    - name: of the ladder.
    - example_flops: training FLOPs of each shape for an example, in the ladder's order.
    - settings: of each shape.
    """

    def __init__(
        self,
        config: AdaptiveConfig,
        name: str,
        example_flops: Mapping[Shape, float],
        settings: Mapping[Shape, Settings],
    ):
        self.config, self.name = config, name
        self.example_flops, self.settings = example_flops, settings
        self.shapes = list(example_flops)
        budget, optim = config.run.budget_flops, config.run.optim
        self._keep = tuple(cooldown_begins(optim, share * budget) for share in sorted(config.cooldowns))

    def static(self, shape: Shape) -> list[RunSpec]:
        """The shape alone, a run for each seed."""
        schedule = self.tuned(self.alone(shape))
        return [
            RunSpec(naming.static_run(shape, schedule, seed), schedule, seed, keep=self._keep)
            for seed in self.config.seeds
        ]

    def method(self, method: str, schedule: Schedule) -> list[RunSpec]:
        """By the schedule, a run for each seed."""
        return [self._spec(method, schedule, seed) for seed in self.config.seeds]

    def baseline(self, method: str) -> list[RunSpec]:
        """One schedule for all seeds, but for 'random', which draws one for each."""
        budget, first_flops = self.config.run.budget_flops, self.config.first_flops
        size, specs = self.config.run.data.image_size, []
        for seed in self.config.seeds:
            drawn = seed if method == "random" else 0
            schedule = plan.baseline(method, self.shapes, budget, first_flops, drawn, size)
            specs.append(self._spec(method, schedule, seed))
        return specs

    def pilot(self, schedule: Schedule) -> RunSpec:
        """By a plan, with a seed of its own: no run that is compared chose its plan."""
        seed = next(seed for seed in itertools.count() if seed not in self.config.seeds)
        return self._spec("pilot", schedule, seed)._replace(keep=())

    def shifted(self, factor: float, schedule: Schedule) -> list[RunSpec]:
        """By the plan with its changes at `factor` times their FLOPs, a run for each seed."""
        return self._other_plan(f"shifted{number_text(factor)}", schedule)

    def fewer(self, schedule: Schedule) -> list[RunSpec]:
        """By the plan of fewer shapes, a run for each seed."""
        return self._other_plan("fewer", schedule)

    def _other_plan(self, method: str, schedule: Schedule) -> list[RunSpec]:
        return [spec._replace(keep=()) for spec in self.method(method, schedule)]

    def cooled(self, trunk: RunSpec, schedule: Schedule, share: float, directory: str) -> RunSpec:
        """A run that branches off another and cools down (train.cooled).

        - trunk: what it branches off.
        - schedule: of the branch.
        - share: of the budget, at which it ends.
        - directory: of the trunk's run.
        """
        name = naming.cooled_run(schedule, share, trunk.seed)
        return RunSpec(name, schedule, trunk.seed, trunk=directory)

    def followed(self, spec: RunSpec, run: Sequence[RunRecord]) -> Schedule:
        """What a run came to follow. run: its records."""
        return self.tuned(train.followed(spec.schedule, run)) if spec.replan else spec.schedule

    def online(self) -> list[RunSpec]:
        """Runs that begin at the cheapest shape and plan as they go."""
        first = self.tuned(self.alone(min(self.shapes, key=self.example_flops.__getitem__)))
        depends_on = [self.config.metric, *map(str, self.shapes)]
        return [
            RunSpec(
                naming.ladder_run(self.name, "online", first, seed, depends_on),
                first,
                seed,
                replan=online.replanner(
                    lambda: online.planner(self.config, self.example_flops),
                    lambda shape: self.tuned(self.alone(shape)),
                ),
                keep=self._keep,
            )
            for seed in self.config.seeds
        ]

    def alone(self, shape: Shape) -> Schedule:
        return Schedule((Stage(shape, self.config.run.budget_flops),))

    def tuned(self, schedule: Schedule) -> Schedule:
        """Each stage with the hyper-parameters of its shape."""
        own = [stage._replace(**self.settings[stage.shape]._asdict()) for stage in schedule.stages]
        return Schedule(tuple(own))

    def _spec(self, method: str, schedule: Schedule, seed: int) -> RunSpec:
        schedule = self.tuned(schedule)
        name = naming.ladder_run(self.name, method, schedule, seed)
        return RunSpec(name, schedule, seed, keep=self._keep)
