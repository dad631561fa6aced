"""Resolution as an axis of a shape: names, changes of a model, costs, training, studies and plans."""

import dataclasses
import itertools
import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from plan_laws import PowerLaw, record

from scalax import data, launch, models, morph, plan, records, studies, tasks, train
from scalax.config import EvalConfig, ModelConfig, MorphConfig, OptimConfig, RunConfig
from scalax.models.resize import resize_matrix
from scalax.records import RunRecord
from scalax.schedule import Schedule, Shape, Stage
from scalax.studies import naming
from scalax.studies.adaptive import AdaptiveConfig
from scalax.studies.scheduled import scheduled
from scalax.studies.sweep import SweepConfig
from scalax.tasks.image_classification import ImageClassification
from tests.rejects import rejects
from tests.toy import CONFIG, train_one

PLAIN = Shape(4, 8, 1)
AT_8, AT_12, AT_16 = (PLAIN._replace(resolution=side) for side in (8, 12, 16))
RUN = dataclasses.replace(
    CONFIG,
    data=dataclasses.replace(CONFIG.data, image_size=16, crop_padding=0),
    optim=OptimConfig(name="sgd", lr=1e-2, warmup_steps=2),  # Adam makes much of a gradient that is nearly 0
    model=dataclasses.replace(CONFIG.model, names=("V8-1",), base_patch=4, base_grid=4),
)


@pytest.fixture(scope="module")
def experiment() -> train.Experiment:
    return train.open_experiment(RUN)


# --- names and files ---


def test_names_and_files_say_it_where_it_is_not_the_datas_own(tmp_path):
    at_24, plain = Shape(8, 16, 3, resolution=24), Shape(8, 16, 3)
    assert (str(at_24), str(plain), at_24.model) == ("V16-3/8@24", "V16-3/8", "V16-3/8")
    assert str(Shape(1, 8, 18, "R", 24)) == "R8-18@24"
    assert plain.to_json() == {"patch": 8, "width": 16, "depth": 3}
    assert naming.of_shape(at_24) != naming.of_shape(plain) == "V16-3_patch8"
    schedule = Schedule((Stage(at_24, 1e9), Stage(plain, 2e9)))
    schedule.save(tmp_path / "plan.json")
    assert Schedule.load(tmp_path / "plan.json") == schedule
    assert "resolution" not in schedule.to_json()["stages"][1]
    for shape in (at_24, plain, Shape(1, 8, 18, "R", 24), Shape(1, 8, 18, "R")):
        assert Shape.from_json(shape.to_json()) == plan.shape_of(str(shape)) == shape
        line = record("a", shape, 1e9, val_error=0.5)
        assert ("resolution" in line.to_json()) == bool(shape.resolution)
        assert RunRecord.from_json(json.loads(json.dumps(line.to_json()))) == line
        assert Shape.of(line) == shape
    for bad in (-1, 16_385, 1.5, "24"):
        with rejects("resolution"):
            Shape.from_json({**plain.to_json(), "resolution": bad})


def test_a_change_of_resolution_alone_is_recorded_twice_at_its_step(tmp_path):
    for shape in (AT_8, PLAIN):
        records.append(tmp_path / "metrics.jsonl", record("a", shape, 1e9, 7, val_error=0.5))
    assert [Shape.of(line) for line in records.read(tmp_path / "metrics.jsonl")] == [AT_8, PLAIN]


# --- changes of a model ---


def build(name: str, side: int, **options: Any) -> tuple[Any, jax.ShapeDtypeStruct]:
    """A model, and one of its inputs."""
    one = jax.ShapeDtypeStruct((side, side, 3), jnp.float32)
    return models.build(name, 3, image_size=side, **options), one


def changed(before: tuple, after: tuple, state: tuple) -> tuple:
    (old, one), (new, other), key = before, after, jax.random.key(0)
    return morph.change(old, new, *state, key, MorphConfig(), one, other)


def started(model: tuple) -> tuple[dict, dict]:
    """(params, model_state) of normal numbers."""
    rng = np.random.default_rng(0)
    variables = jax.tree.map(
        lambda leaf: 0.3 * rng.normal(size=leaf.shape).astype(leaf.dtype), models.abstract_variables(*model)
    )
    return variables.pop("params"), variables


@pytest.mark.parametrize(
    ("name", "options"), [("V8-2/4", {"base_patch": 4, "base_grid": 4}), ("R4-18", {}), ("M8-1/4", {})]
)
def test_another_resolution(name, options):
    """A ViT and a ResNet stay bit for bit, statistics and moments too; a Mixer where its grid does."""
    before, after = (build(name, side, **options) for side in (8, 16))
    params, model_state = started(before)
    state = (params, model_state, optax.adam(1e-3).init(params))
    got = changed(before, after, state)
    new = models.abstract_variables(*after)
    assert jax.tree.map(jnp.shape, {"params": got[0], **got[1]}) == jax.tree.map(jnp.shape, new)
    if name.startswith("M"):
        assert got[0]["block00"]["token_mlp"]["in"]["kernel"].shape[0] == 16
        options, after = {"base_patch": 4}, build("M8-1/8", 16, base_patch=4)  # on the same grid of 2 x 2
        got = changed(before, after, state)
    jax.tree.map(np.testing.assert_array_equal, got, state)
    assert ("batch_stats" in model_state) == name.startswith("R")


@pytest.mark.parametrize("family", ["V", "M"])
def test_a_smooth_image_gives_the_same_on_the_same_grid(family):
    options = {"base_patch": 8, "base_grid": 2} if family == "V" else {"base_patch": 8}
    before, after = build(f"{family}16-2/8", 16, **options), build(f"{family}16-2/16", 32, **options)
    params, _ = started(before)
    params = {**params, "head": {**params["head"], "kernel": jax.random.normal(jax.random.key(2), (16, 3))}}
    new, *_ = changed(before, after, (params, {}, ()))
    x = (np.arange(32) + 0.5) / 32
    waves = [np.sin(2 * x + p)[:, None] * np.cos(3 * x - p)[None] for p in (0.0, 1.0, 2.0)]
    images = np.stack([np.stack(waves, -1), -np.stack(waves, -1), 0.5 * np.stack(waves[::-1], -1)])
    images = images.astype(np.float32)
    large, _ = after[0].apply({"params": new}, images)
    small, _ = before[0].apply({"params": params}, data.resize(images, 16, 16))
    # Not exact: within a patch, interpolation knows nothing of the next one.
    assert np.abs(large - small).max() < 0.02 * np.ptp(small, 0).max()


def test_a_family_that_declares_no_resolution_keeps_it(monkeypatch):
    before, after = (build("V8-1/4", side, base_patch=4, base_grid=2) for side in (8, 16))
    family = models.family_of(before[0])
    axes = {axis: fields for axis, fields in family.growth.axes.items() if axis != "resolution"}
    without = family._replace(growth=family.growth._replace(axes=axes))
    monkeypatch.setattr(models, "family_of", lambda module: without)
    with rejects("(8, 8, 3)", "(16, 16, 3)", "depth"):
        changed(before, after, (*started(before), ()))


def test_images_are_resized_as_antialiased_linear_interpolation():
    images = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32)
    for side in (8, 12, 20):
        rows = resize_matrix(32, side, antialias=True)
        want = np.einsum("ih,jw,bhwc->bijc", rows, rows, images)
        np.testing.assert_allclose(data.resize(images, side, side), want, atol=1e-5)
    assert data.resize(images, 32, 32) is images


# --- training ---


def of_side(side: int, **model: Any) -> train.Experiment:
    return train.open_experiment(
        dataclasses.replace(
            RUN,
            data=dataclasses.replace(RUN.data, image_size=side),
            model=dataclasses.replace(RUN.model, **model),
        )
    )


def test_costs_are_those_of_the_model_at_that_size(experiment):
    small = of_side(8)
    for batch in (8, 16):
        assert experiment.cost(AT_8, batch) == small.cost(PLAIN, batch)
    assert experiment.cost(AT_16) == experiment.cost(PLAIN)
    assert experiment.cost(AT_12).params == experiment.cost(AT_8).params
    mixer = Shape(4, 8, 1, "M", 8)
    assert experiment.cost(mixer) == small.cost(mixer._replace(resolution=0))


def test_a_run_goes_through_resolutions_and_back_to_the_datas_own(experiment, tmp_path):
    ends = np.cumsum([2 * experiment.cost(shape).step.flops for shape in (AT_8, AT_12, PLAIN)])

    def schedule(last: Shape) -> Schedule:
        return Schedule(tuple(Stage(s, float(f)) for s, f in zip((AT_8, AT_12, last), ends, strict=True)))

    done = train_one(experiment, schedule(PLAIN), 0, tmp_path / "run")
    seen = [(line.step, str(Shape.of(line))) for line in done.records]
    changes = [(2, "V8-1/4@8"), (2, "V8-1/4@12"), (4, "V8-1/4@12"), (4, "V8-1/4"), (6, "V8-1/4")]
    assert [row for row in seen if row in changes] == changes
    assert done.info.costs.keys() == {"V8-1/4@8", "V8-1/4@12", "V8-1/4"}
    # Said explicitly, the data's own size is the same run: its directory is only read again.
    before = (tmp_path / "run" / "metrics.jsonl").read_text()
    again = train_one(experiment, schedule(AT_16), 0, tmp_path / "run")
    assert (again.records, (tmp_path / "run" / "metrics.jsonl").read_text()) == (done.records, before)
    config = scheduled(SweepConfig(run=RUN), schedule(AT_16))
    assert experiment.plain(config.schedule) == schedule(PLAIN)
    spec = train.RunSpec("other", schedule(AT_16), 0)
    made = train.execute(experiment, [spec], tmp_path)["other"]
    assert made.info.schedule == schedule(PLAIN)
    assert [line.metrics for line in made.records] == [line.metrics for line in done.records]


@pytest.mark.slow
def test_losses_are_those_of_images_resized_beforehand(experiment, tmp_path):
    """The same training, where the data hold the images at 8 px already, as floating-point numbers."""
    whole = experiment.splits
    rows = resize_matrix(16, 8, antialias=True)

    def resized(split: data.Dataset) -> data.Dataset:
        assert split.arrays is not None
        images = np.einsum("ih,jw,bhwc->bijc", rows, rows, split.arrays["image"].astype(np.float64))
        return dataclasses.replace(split, arrays={**split.arrays, "image": images.astype(np.float32)})

    small = whole._replace(train=resized(whole.train), validation=resized(whole.validation))
    flops = 5 * experiment.cost(AT_8).step.flops
    losses = []
    for opened, shape in ((experiment, AT_8), (train.open_experiment(RUN, small), PLAIN)):
        run = train_one(opened, Schedule((Stage(shape, flops),)), 0, tmp_path / str(shape.resolution))
        losses.append([line.metrics["val_loss"] for line in run.records])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)
    assert losses[0][0] != losses[0][-1]


def test_probes_see_the_resolution_of_the_shape(experiment):
    program = experiment.programs.predict(AT_8, 32, ("pre_logits",))
    state = experiment.first_state(AT_8, 0)
    raw = experiment.splits.validation.read(np.arange(32))
    _, features = program(state.params, state.model_state, raw)
    images = data.resize(data.normalise(jnp.asarray(raw["image"])), 8, 8)
    module = experiment.programs.build(AT_8)
    want = module.apply({"params": state.params}, images)[1]["pre_logits"]
    np.testing.assert_allclose(features["pre_logits"], want, rtol=1e-4, atol=1e-5)


def test_what_cannot_be_resized_is_one_line(experiment):
    for bad, names in (
        (PLAIN._replace(resolution=20), ["V8-1/4@20", 16, "data.image_size"]),
        (PLAIN._replace(resolution=10), ["V8-1/4@10", 4, 8]),
    ):
        with rejects(*names):
            train.check(experiment, Schedule((Stage(bad, 1e9),)))
        with rejects(*names):
            experiment.cost(bad)
    text = dataclasses.replace(RUN.data, source="text", context=8, max_train_images=4)
    config = RunConfig(task="next_token", data=text, batch_size=2, eval=EvalConfig(batch_size=2, shots=0))
    tokens = train.open_experiment(config)
    for side in (8, 4):
        schedule = Schedule((Stage(Shape(1, 8, 1, "D", side), 1e9),))
        with rejects(f"D8-1@{side}", "NextToken"):
            train.execute(tokens, [train.RunSpec("a", schedule, 0)], "")


def test_a_task_without_resolutions_goes_on_as_it_was():
    class Other:
        input = jax.ShapeDtypeStruct((4,), jnp.float32)

    other: Any = Other()
    assert tasks.of_shape(other, PLAIN) is other
    with rejects("V8-1/4@8", "Other"):
        tasks.of_shape(other, AT_8)
    images = ImageClassification((16, 16, 3), 2, 0.0, 0, False)
    assert tasks.of_shape(images, AT_8).input.shape == (8, 8, 3)
    assert tasks.of_shape(images, AT_8).model_options() == {"image_size": 8}
    assert tasks.of_shape(images, AT_16) == images


# --- studies ---


def adaptive(**changes: Any) -> AdaptiveConfig:
    run = dataclasses.replace(RUN, model=ModelConfig(base_patch=4, base_grid=4), eval=EvalConfig(shots=0))
    run = dataclasses.replace(run, model=dataclasses.replace(run.model, names=("V16-1",)))
    return dataclasses.replace(AdaptiveConfig(run=run), **changes)


LOW = ("efficienttrain",)
SIDES = {"patches": (4,), "resolutions": (8, 12, 16)}


@pytest.mark.slow
def test_a_study_trains_efficienttrain_on_low_frequencies_apart_from_the_others(tmp_path):
    baselines = ("efficienttrain", "logarithmic")
    evaluation = EvalConfig(points=16, batch_size=16, shots=0)
    run = dataclasses.replace(adaptive().run, budget_flops=3e7, eval=evaluation, batch_size=16)
    shapes = {"patches": (4,), "resolutions": (12, 16)}
    config = AdaptiveConfig(run, **shapes, baselines=baselines, law_first_share=0.1)
    said: list[str] = []
    result = studies.of(config).run(config, str(tmp_path), (), said.append)
    [ladder] = result.ladders.values()
    assert any("to train: 5 runs" in line for line in said)
    for where, resized in (("efficienttrain", "frequencies"), ("runs", "linear")):
        method = "efficienttrain" if where != "runs" else "logarithmic"
        [made] = ladder.runs[method]
        info = records.read_info(tmp_path / where / made.run)
        assert info.config["data"]["resize"] == resized
        schedule = plan.baseline(method, config.ladders()["V16-1"], 3e7, 3e6, image_size=16)
        assert info.schedule.stages == schedule.stages
    for row in ladder.targets:  # it is never the static run, whose images it has not
        assert row.methods.keys() >= set(baselines)
        assert row.methods["efficienttrain"].same == [False]
    assert all("efficienttrain" not in each.run for each in ladder.foretold)


def test_ladders_of_resolutions():
    one = adaptive(patches=(4,), resolutions=(16, 8, 12), online=True, baselines=("progressive",))
    assert list(map(str, one.ladders()["V16-1"])) == ["V16-1/4@8", "V16-1/4@12", "V16-1/4"]
    both = adaptive(patches=(4, 8), resolutions=(8, 12, 16), joint=True)
    ladder = both.ladders()["joint"]
    names = ["V16-1/8@8", "V16-1/4@8", "V16-1/8", "V16-1/4@12", "V16-1/4"]
    assert list(map(str, ladder)) == names
    for i, shape in enumerate(ladder):  # none comes before one that it may follow
        assert not any(plan.refines(shape, earlier) for earlier in ladder[:i])
    fixed = adaptive(patches=(4, 2), resolutions=(8,))
    assert list(map(str, fixed.ladders()["V16-1"])) == ["V16-1/4@8", "V16-1/2@8"]
    assert adaptive().ladders() == adaptive(resolutions=(16,)).ladders()
    run = adaptive().run
    lower = dataclasses.replace(run, data=dataclasses.replace(run.data, resize="frequencies"))
    for names, bad in (
        (["resolutions", 20, 16], {"patches": (4,), "resolutions": (8, 20)}),
        (["resolutions", 10, 8], {"patches": (4,), "resolutions": (8, 10)}),
        (["patches", 8], {"patches": (4, 8), "resolutions": (12, 4), "joint": True}),
        (["resolutions"], {"patches": (4,), "resolutions": (8, 8)}),
        (["resolutions", -4], {"patches": (4,), "resolutions": (8, -4)}),
        (["joint"], {"patches": (4, 8), "resolutions": (8, 16)}),
        (["online"], {"patches": (4, 8), "resolutions": (8, 16), "joint": True, "online": True}),
        (["flexi"], {"patches": (4,), "resolutions": (8, 16), "baselines": ("flexi",)}),
        (["progressive"], {"baselines": ("progressive",)}),
        (["efficienttrain", "resolution"], {"baselines": ("efficienttrain",)}),
        (["cooldowns", "efficienttrain"], {**SIDES, "baselines": LOW, "cooldowns": (0.5, 1.0)}),
        (["data.resize", "efficienttrain"], {**SIDES, "baselines": LOW, "run": lower}),
    ):
        with rejects(*names):
            adaptive(**bad)
    swept = SweepConfig(run=one.run, patches=(8, 4), resolutions=(8, 12, 16)).shapes()
    assert list(map(str, swept)) == ["V16-1/8@8", "V16-1/8", "V16-1/4@8", "V16-1/4@12", "V16-1/4"]


def test_how_images_are_resized_matters_where_a_shape_has_a_resolution():
    one = adaptive(patches=(4,), resolutions=(8, 16))
    swept = SweepConfig(run=one.run, patches=(4,), resolutions=(8,))
    schedules = [Schedule((Stage(shape, 1e9),)) for shape in (AT_8, PLAIN)]
    made, plain = (scheduled(SweepConfig(run=RUN), schedule) for schedule in schedules)
    for config in (one, swept, made):
        launch.check_used(config, studies.of(config), ["data.resize"])
    for config in (adaptive(), dataclasses.replace(swept, resolutions=(16,)), plain):
        with rejects("resize", "does not apply"):
            launch.check_used(config, studies.of(config), ["data.resize"])


# --- plans ---

LADDER = [Shape(4, 16, 1, resolution=side) for side in (8, 16, 0)]
CROSSING = dict(
    zip(
        LADDER,
        [PowerLaw(16.0, 0.30, 0.34, 1e5), PowerLaw(120.0, 0.33, 0.16, 1e7), PowerLaw(900.0, 0.36, 0.02, 3e8)],
        strict=True,
    )
)
COST = dict(zip(LADDER, (1e3, 4e3, 16e3), strict=True))


def test_plans_only_refine_unless_free():
    made = plan.steepest_descent(CROSSING, 1e10, 1e8)
    assert [stage.shape for stage in made.schedule.stages] == LADDER
    turned = dict(zip(LADDER[::-1], CROSSING.values(), strict=True))  # the laws want the largest first
    assert len(plan.steepest_descent(turned, 1e10, 1e8).schedule.stages) == 1
    free = plan.steepest_descent(turned, 1e10, 1e8, free=True)
    assert [stage.shape for stage in free.schedule.stages] == LADDER[::-1]


def test_online_plans_and_baselines_go_along_resolutions():
    online = plan.Online(LADDER, COST, 1e10)
    schedule, seen = plan.simulate(online, CROSSING, np.geomspace(1e8, 1e10, 50))
    shapes = [stage.shape for stage in schedule.stages]
    assert len(shapes) > 1
    assert shapes == LADDER[: len(shapes)]
    assert [shape for shape, _ in itertools.groupby(map(Shape.of, seen))] == shapes
    for name in ("linear", "logarithmic", "random", "progressive"):
        stages = plan.baseline(name, LADDER, 1e10, 1e8, image_size=32).stages
        assert [stage.shape for stage in stages] == LADDER
    # The nearest to a line from 8 px at a quarter to 32 px at three quarters.
    ends = [stage.until_flops / 1e10 for stage in stages]
    assert ends == pytest.approx([0.25 + 0.5 * 4 / 24, 0.25 + 0.5 * 16 / 24, 1.0])


@pytest.mark.slow
def test_the_law_over_shapes_reads_the_resolution_in_pixels():
    shapes = [Shape(4, width, 1, resolution=side) for width in (8, 16, 32) for side in (8, 16, 0)]

    def cost(shape: Shape) -> float:
        return 1e3 * shape.width**1.5 * shape.pixels(32) ** 2

    def error(shape: Shape, flops: np.ndarray) -> np.ndarray:
        ends = 0.02 + shape.width**-0.6 + 2 * shape.pixels(32) ** -0.8
        return ends + 30 * (flops / cost(shape)) ** -0.5

    known = {s: [(f := cost(s) * np.geomspace(1e4, 1e6, 20), error(s, f))] for s in sorted(shapes, key=cost)}
    flops, new = {s: cost(s) for s in known}, Shape(4, 16, 1, resolution=24)
    made = plan.joint_laws(known, flops, 0.0, untrained=[new], image_size=32)
    assert list(made.fit.variables) == ["width", "resolution", "examples"]
    assert made.example_flops[new] == pytest.approx(cost(new), rel=1e-6)
    at = cost(new) * np.geomspace(1e4, 1e6, 9)
    assert made.laws[new].predict(at) == pytest.approx(error(new, at), rel=0.03)
    with pytest.raises(ValueError, match="image_size"):
        plan.joint_laws(known, flops, 0.0)


def test_runs_that_differ_in_resolution_are_planned_along_it(tmp_path):
    for shape, law in CROSSING.items():
        where = tmp_path / "runs" / naming.of_shape(shape)
        where.mkdir(parents=True)
        stage = Stage(shape, 1e10, batch_size=8)
        config = {"data": {"image_size": 32}}
        info = records.RunInfo(config, Schedule((stage,)), 0, {"validation": 100}, steps=9, finished=True)
        records.write_info(where, info)
        for step, flops in enumerate(np.geomspace(1e8, 1e10, 40), start=1):
            line = record(where.name, shape, float(flops), step, val_error=float(law.predict(flops)))
            examples = max(1, int(flops / COST[shape]))
            records.append(where / "metrics.jsonl", line._replace(examples=examples))
    with rejects("resolution", 8, 16, 32, "axes"):
        plan.read_runs(tmp_path, "val_error", ["patch"])
    runs = plan.read_runs(tmp_path, "val_error", ["resolution"])
    assert runs.image_size == 32
    assert list(runs.trajectories) == LADDER
    settings = plan.PlanSettings(axes=["resolution"], resamples=0)
    made = plan.plan_study(tmp_path, settings)
    shapes = [stage.shape for stage in made.plan.schedule.stages]
    assert shapes == LADDER[-len(shapes) :]
    assert len(shapes) > 1
