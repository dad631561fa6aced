"""The step, its learning rate and decay, the timeline in FLOPs, and how a run begins and ends."""

import dataclasses
import functools
import json
import re
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from scalax import models, records, train
from scalax.config import EvalConfig, MorphConfig, OptimConfig
from scalax.schedule import Schedule, Stage
from scalax.tasks.image_classification import ImageClassification
from scalax.train import optimizer, rates, state, step, timeline
from scalax.train.checkpoint import Checkpoints
from tests.rejects import rejects
from tests.toy import CONFIG, LARGE, SMALL, toy_experiment, train_one, two_stages, with_config

IMAGE = jax.ShapeDtypeStruct((8, 8, 1), jnp.float32)

leaves = jax.tree_util.tree_leaves_with_path


@pytest.fixture(scope="module")
def experiment():
    return toy_experiment()


@pytest.fixture(scope="module")
def whole(experiment, tmp_path_factory):
    """A run of seed 0 through both stages, and its directory."""
    directory = tmp_path_factory.mktemp("whole") / "run"
    return train_one(experiment, two_stages(experiment), 0, directory), directory


class Watched(train.Hook):
    """Notes what it is told."""

    def __init__(self):
        self.steps: list[int] = []
        self.records: list[records.RunRecord] = []

    def step(self, run, step):
        self.steps.append(step)

    def record(self, record):
        self.records.append(record)


def test_update_equals_a_plain_reference():
    """One step against a loss, clip, Adam and decay written out by hand."""
    model = models.build("V8-1/4", 3, image_size=8)
    config = OptimConfig(weight_decay=0.1, weight_decay_head=0.3, label_smoothing=0.2, clip_norm=0.5)
    tx = optimizer.make_optimizer(config)
    task = ImageClassification((8, 8, 1), 3, config.label_smoothing, 0, False)
    before = state.creator(model, tx.transform, IMAGE)(1)
    before.params["head"]["kernel"] += jax.random.normal(jax.random.PRNGKey(3), (8, 3))
    images = jax.random.normal(jax.random.PRNGKey(2), (6, 8, 8, 1))
    labels = jnp.array([0, 1, 2, 2, 1, 0])
    hyperparams = rates.hyperparams(0.01, [config])
    after, metrics = jax.jit(lambda s: step.update(model, tx, task, s, images, labels, hyperparams))(before)

    def loss_of(params):
        log_p = jax.nn.log_softmax(model.apply({"params": params}, images, train=True)[0])
        targets = 0.8 * jax.nn.one_hot(labels, 3) + 0.2 / 3
        return -(targets * log_p).sum(-1).mean()

    loss, grads = jax.tree.map(np.asarray, jax.jit(jax.value_and_grad(loss_of))(before.params))
    norm = np.sqrt(sum((g**2).sum() for g in jax.tree.leaves(grads)))
    np.testing.assert_allclose([metrics["loss"], metrics["grad_norm"]], [loss, norm], rtol=1e-5)
    assert norm > 0.5
    for path, old in jax.tree_util.tree_leaves_with_path(before.params):
        names = [key.key for key in path]
        g, new = grads, after.params
        for name in names:
            g, new = g[name], new[name]
        old, new = np.asarray(old), np.asarray(new)
        g = g * 0.5 / norm
        direction = g / (np.abs(g) + 1e-8)  # Adam's first step, bias-corrected
        decay = (0.3 if names[0] == "head" else 0.1) if names[-1] == "kernel" else 0.0
        expected = old - 0.01 * (direction + decay * old)
        clear = np.abs(g) > 1e-6  # below, rounding decides the sign that Adam takes
        np.testing.assert_allclose(new[clear], expected[clear], atol=2e-5, err_msg="/".join(names))
        assert clear.any() or names[-2:] == ["key", "bias"]  # which softmax does not feel
    assert int(after.step) == 1


def test_decay_falls_on_kernels_only():
    model = models.build("V8-1/4", 3, image_size=8)
    params = state.abstract(model, optax.identity(), IMAGE).params
    paths = {"/".join(k.key for k in path): path for path, _ in leaves(params)}
    kernels = {name for name, path in paths.items() if optimizer.is_kernel(path)}
    assert {"head/kernel", "embedding/kernel", "block00/attn/query/kernel"} <= kernels
    assert len(paths) - len(kernels) > 10
    assert {name for name, path in paths.items() if optimizer.is_head(path)} == {"head/kernel", "head/bias"}


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_optimisers_equal_those_of_optax(name):
    """Three steps, with decay and another rate for the head, against optax's own."""
    config = OptimConfig(name=name, lr_head=0.5, weight_decay=0.1, weight_decay_head=0.3, clip_norm=1e9)
    params = {
        "head": {"kernel": np.ones((3, 2), np.float32), "bias": np.ones(2, np.float32)},
        "body": {"kernel": np.full((3, 3), 2.0, np.float32)},
    }
    grads = jax.tree.map(lambda p: np.cos(np.arange(p.size, dtype=p.dtype)).reshape(p.shape), params)
    ours = optimizer.make_optimizer(config)

    def theirs(lr, decay, mask):
        if name == "sgd":
            return optax.chain(optax.trace(0.9), optax.add_decayed_weights(decay, mask), optax.scale(-lr))
        return optax.adamw(lr, weight_decay=decay, mask=mask)

    def kernels(tree):
        return jax.tree_util.tree_map_with_path(
            lambda path, _: name == "adamw" or path[-1].key == "kernel", tree
        )

    other = optax.multi_transform(
        {"head": theirs(0.005, 0.3, kernels), "body": theirs(0.01, 0.1, kernels)},
        {"head": "head", "body": "body"},
    )

    @jax.jit
    def mine_of(mine, state):
        directions, state = ours.transform.update(grads, state, mine)
        return optimizer.descend(ours, mine, directions, rates.hyperparams(0.01, [config])), state

    @jax.jit
    def other_of(params, state):
        updates, state = other.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    mine, mine_state = params, jax.jit(ours.transform.init)(params)
    other_params, other_state = params, jax.jit(other.init)(params)
    for _ in range(3):
        mine, mine_state = mine_of(mine, mine_state)
        other_params, other_state = other_of(other_params, other_state)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), mine, other_params)


def test_learning_rates():
    rate = rates.learning_rate
    constant = OptimConfig(lr=1.0, warmup_steps=10)
    assert [rate(constant, s, 0.5) for s in (0, 4, 9, 500)] == [0.1, 0.5, 1.0, 1.0]
    cosine = dataclasses.replace(constant, schedule="cosine")
    assert rate(cosine, 50, 0.5) == pytest.approx(0.5)
    assert rate(cosine, 50, 1.0) == pytest.approx(0.0)
    rsqrt = dataclasses.replace(constant, schedule="rsqrt", cooldown_share=0.25)
    assert rate(rsqrt, 39, 0.5) == pytest.approx(0.5)
    assert rate(rsqrt, 39, 0.875) == pytest.approx(0.25)
    wsd = dataclasses.replace(rsqrt, schedule="wsd")
    assert [rate(wsd, 50, p) for p in (0.5, 0.75, 0.875, 1.0)] == pytest.approx([1, 1, 0.5, 0])


def test_a_learning_rate_settles_evenly_in_the_logs():
    rate = rates.settling_rate
    assert [rate((8.0,), (0.0,), flops, 4.0) for flops in (0.0, 1e3)] == [8.0, 8.0]
    two = functools.partial(rate, (8.0, 2.0), (0.0, 100.0), settle=4.0)
    assert [two(flops) for flops in (100.0, 200.0, 400.0, 1e6)] == pytest.approx([8.0, 4.0, 2.0, 2.0])
    assert rate((8.0, 2.0), (0.0, 100.0), 100.0, 1.0) == 2.0
    # The next change comes half way: on from where it was, not from the stage's own.
    three = functools.partial(rate, (8.0, 2.0, 1.0), (0.0, 100.0, 200.0), settle=4.0)
    assert [three(flops) for flops in (200.0, 400.0, 800.0)] == pytest.approx([4.0, 2.0, 1.0])


COSTS = {
    timeline.Work(LARGE, 8): timeline.StepCost(10.0, 9.0),
    timeline.Work(SMALL, 8): timeline.StepCost(40.0, 35.0),
    timeline.Work(SMALL, 2): timeline.StepCost(11.0, 9.0),
}


def spans_of(plan: timeline.Timeline):
    return [(span.shape, span.first, span.last) for span in plan.spans]


def test_timeline_stops_before_the_step_that_would_cross():
    schedule = Schedule((Stage(LARGE, 105.0), Stage(SMALL, 299.0)))
    plan = timeline.plan(schedule, COSTS.__getitem__, 8, EvalConfig(points=4, first_share=0.1))
    assert spans_of(plan) == [(LARGE, 0, 10), (SMALL, 10, 14)]
    assert [plan.flops(s) for s in (0, 3, 10, 11, 14)] == [0, 30, 100, 140, 260]
    assert plan.flops(14, matmul=True) == 10 * 9 + 4 * 35
    assert {10, 14} <= plan.evals
    assert min(plan.evals) == 3  # 29.9 FLOPs, a tenth of the budget, are first reached there
    assert [plan.around(step)[0].shape for step in (0, 9, 10, 14)] == [LARGE, LARGE, SMALL, SMALL]
    with rejects("budget_flops 9", "10 FLOPs"):
        timeline.plan(Schedule((Stage(LARGE, 9.0),)), COSTS.__getitem__, 8, EvalConfig())


def test_a_stage_too_short_for_a_step_is_passed_over():
    schedule = Schedule((Stage(SMALL, 39.0), Stage(LARGE, 60.0)))
    assert spans_of(timeline.plan(schedule, COSTS.__getitem__, 8, EvalConfig())) == [(LARGE, 0, 6)]


def test_a_stage_may_have_a_batch_of_its_own():
    schedule = Schedule((Stage(LARGE, 20.0), Stage(SMALL, 53.0, batch_size=2)))
    plan = timeline.plan(schedule, COSTS.__getitem__, 8, EvalConfig())
    assert plan.flops(plan.steps) == 2 * 10 + 3 * 11
    assert plan.examples.tolist() == [0, 8, 16, 18, 20, 22]


def test_steps_of_drawn_patches_cost_what_was_drawn():
    schedule = Schedule((Stage(SMALL, 2000.0, patches=(4, 2)),))
    plan = timeline.plan(schedule, COSTS.__getitem__, 8, EvalConfig())
    (span,) = plan.spans
    costs = [COSTS[span.work(step)].flops for step in range(plan.steps)]
    assert np.diff(plan.spent[:, 0]).tolist() == costs
    assert 1960 < sum(costs) <= 2000
    assert 0.3 < np.mean([shape == LARGE for shape in span.drawn]) < 0.7


def test_both_counts_are_recorded_and_agree(experiment):
    cost = experiment.cost(SMALL)
    assert cost.step.flops_matmul < cost.step.flops
    explained = cost.explained
    assert sum(explained.values()) == pytest.approx(cost.step.flops)
    assert abs(explained["unexplained"]) < 0.02 * cost.step.flops
    tokens, d = 16, 8  # an independent count: 12 d^2 + attention a token, then embedding and head
    macs = tokens * (12 * d * d + 2 * tokens * d + 4 * d) + d * 10
    assert cost.forward_macs == pytest.approx(macs)


def test_run_changes_shape_records_and_is_only_read_again(experiment, tmp_path):
    watched = Watched()
    result = train_one(experiment, two_stages(experiment), 0, tmp_path / "run", [watched])
    assert watched.records == result.records
    assert watched.steps == list(range(7))
    first, second = experiment.cost(LARGE).step, experiment.cost(SMALL).step
    at_switch = [r for r in result.records if r.step == 4]
    assert [r.patch for r in at_switch] == [4, 2]  # before and after the change, at equal cost
    last = result.records[-1]
    assert (last.step, last.examples, last.patch) == (7, 56, 2)
    assert last.flops == pytest.approx(4 * first.flops + 3 * second.flops)
    assert last.flops_matmul == pytest.approx(4 * first.flops_matmul + 3 * second.flops_matmul)
    assert last.flops <= two_stages(experiment).budget_flops
    info = json.loads((tmp_path / "run" / "run.json").read_text())
    assert info["finished"]
    assert {"config", "versions", "device", "costs", "schedule", "seed"} <= info.keys()
    stamp = (tmp_path / "run" / "metrics.jsonl").stat().st_mtime_ns
    assert train_one(experiment, two_stages(experiment), 0, tmp_path / "run").records == result.records
    assert (tmp_path / "run" / "metrics.jsonl").stat().st_mtime_ns == stamp
    assert len(list((tmp_path / "run" / "ckpt").glob("[0-9]*"))) == 2


def test_directory_of_another_config_is_rejected(experiment, whole):
    _, directory = whole
    other = with_config(experiment, optim=OptimConfig(lr=0.5))
    with rejects(directory, "config.optim.lr (here 0.5, there 0.01)"):
        train_one(other, two_stages(experiment), 0, directory)
    with rejects(directory, "seed (here 1, there 0)"):
        train_one(experiment, two_stages(experiment), 1, directory)


def test_a_run_of_an_older_version_goes_on(experiment, whole):
    """Settings that were added since count as what was done before there were any."""
    run, directory = whole
    path = directory / "run.json"
    text = path.read_text()
    old = json.loads(text)
    del old["version"], old["config"]["task"], old["config"]["start"], old["config"]["data"]["context"]
    for name in ("name", "lr_head", "b1", "b2", "momentum"):
        del old["config"]["optim"][name]
    del old["config"]["eval"]["more"]
    path.write_text(json.dumps(old))
    try:
        assert train_one(experiment, two_stages(experiment), 0, directory).records == run.records
    finally:
        path.write_text(text)


def test_a_run_settles_to_the_rate_of_its_stage(experiment, tmp_path, monkeypatch):
    seen = {}
    monkeypatch.setattr(
        "scalax.train.rates.learning_rate", lambda config, step, *_: seen.setdefault(step, config.lr)
    )
    settling = with_config(experiment, morph=MorphConfig(settle=1.4))
    first, second = two_stages(experiment).stages
    schedule = Schedule((first._replace(lr=8e-3), second._replace(lr=1e-3)))
    train_one(settling, schedule, 0, tmp_path)
    plan = train.check(settling, schedule)
    change = plan.spans[1].first
    rates = [seen[step] for step in range(plan.steps)]
    assert set(rates[:change]) == {8e-3}
    assert rates[change] == pytest.approx(8e-3)
    later = [step for step in range(change, plan.steps) if plan.flops(step) < 1.4 * plan.flops(change)]
    assert np.all(np.diff([rates[step] for step in later]) < 0)
    assert rates[later[-1] + 1 :]
    assert rates[later[-1] + 1 :] == pytest.approx([1e-3] * (plan.steps - later[-1] - 1))


def test_divergence_stops_the_run_and_keeps_what_was_good(experiment, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "scalax.train.rates.learning_rate", lambda config, step, *_: 1e-2 if step < 3 else 1e30
    )
    careful = with_config(experiment, checkpoint_steps=1)
    with rejects(tmp_path.name, "step 4", "V8-1/4", "optim.lr 0.01", "step 3"):
        train_one(careful, two_stages(experiment), 0, tmp_path)
    assert sorted(int(p.name) for p in (tmp_path / "ckpt").glob("[0-9]*")) == [2, 3]
    assert max(r.step for r in records.read(tmp_path / "metrics.jsonl")) <= 3
    assert not json.loads((tmp_path / "run.json").read_text())["finished"]


def test_unreadable_checkpoint_falls_back_loudly(experiment, whole, tmp_path):
    run, directory = whole
    copy = tmp_path / "run"
    shutil.copytree(directory, copy)
    newest = max((copy / "ckpt").glob("[0-9]*"), key=lambda p: int(p.name))
    for file in newest.rglob("*"):
        if file.is_file() and file.parent.name != newest.name:
            file.write_bytes(b"")
    info = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps({**info, "finished": False}))
    with pytest.warns(UserWarning, match=re.escape(str(newest))):
        again = train_one(experiment, two_stages(experiment), 0, copy)
    assert [r._replace(wall_s=0) for r in again.records] == [r._replace(wall_s=0) for r in run.records]


def test_saves_go_on_below_a_checkpoint_that_cannot_be_read(experiment, tmp_path):
    saved = experiment.programs.new_state(LARGE, 0)
    checkpoints = Checkpoints(tmp_path)
    for at in (10, 20):
        checkpoints.save(at, saved, {"at": at})
    checkpoints.wait()
    for file in (tmp_path / "20").rglob("*"):
        if file.is_file() and file.parent.name != "20":
            file.write_bytes(b"")
    abstract = experiment.programs.abstract_state(LARGE)
    newest = re.escape(str(tmp_path / "20"))
    with pytest.warns(UserWarning, match=newest):
        assert checkpoints.restore(lambda step, place: abstract)[0] == 10
    checkpoints.save(15, saved, {"at": 15})
    checkpoints.close()
    with pytest.warns(UserWarning, match=newest):
        at, _, place = Checkpoints(tmp_path).restore(lambda step, place: abstract)
    assert (at, place) == (15, {"at": 15, "due": True})


def test_counts_that_disagree_reject_the_run(experiment, monkeypatch):
    import scalax.train.costs as module

    assert experiment.cost(SMALL).reason.startswith("elementwise ")  # counted, so no note is needed
    counts = module._counts

    def xla_says(flops: float) -> None:
        def counted(*of):
            ours, _, macs = counts(*of)
            return ours, flops, macs

        monkeypatch.setattr(module, "_counts", counted)

    xla_says(1e7)
    with rejects(LARGE, "1e+07 FLOPs", "cost_note"):
        with_config(experiment).cost(LARGE)
    noted = dataclasses.replace(CONFIG, cost_note="a test")
    assert train.open_experiment(noted, experiment.splits).cost(LARGE).reason == "a test"
    xla_says(0.0)
    with rejects(LARGE):
        train.open_experiment(noted, experiment.splits).cost(LARGE)


def test_changed_data_is_another_run(experiment, whole):
    _, directory = whole
    images = experiment.splits.train
    rows = np.arange(50)
    fewer = experiment.splits._replace(train=dataclasses.replace(images, source=images.source.take(rows)))
    with rejects(directory, "data.train (here 50, there 64)"):
        train_one(train.open_experiment(CONFIG, fewer), two_stages(experiment), 0, directory)


def test_evaluation_that_is_not_finite_stops_the_run(experiment, tmp_path):
    with rejects("val_loss is nan"):
        train_one(
            experiment,
            two_stages(experiment),
            0,
            tmp_path,
            measure=lambda outputs: {"val_loss": float("nan")},
        )
    assert not (tmp_path / "metrics.jsonl").exists()


def test_bfloat16_computes_in_bfloat16_and_keeps_float32_parameters(experiment, whole, tmp_path):
    config = dataclasses.replace(CONFIG, model=dataclasses.replace(CONFIG.model, precision="bfloat16"))
    half = train.open_experiment(config, experiment.splits)
    assert half.programs.build(LARGE).dtype == jnp.bfloat16
    params = half.programs.abstract_state(LARGE).params
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype("float32")}
    ours = train_one(half, two_stages(experiment), 0, tmp_path / "half").records[-1]
    theirs = whole[0].records[-1]
    assert ours.metrics["val_loss"] == pytest.approx(theirs.metrics["val_loss"], rel=0.03)


def test_streamed_images_train_like_resident_ones(experiment, whole, tmp_path):
    """The same batches decoded on the host give the same run as rows gathered on the device."""
    streaming = dataclasses.replace(CONFIG, data=dataclasses.replace(CONFIG.data, device_gib=1e-9))
    other = train.open_experiment(streaming)
    assert other.batches.dataset() == {}
    streamed = train_one(other, two_stages(experiment), 0, tmp_path / "streamed")
    for a, b in zip(whole[0].records, streamed.records, strict=True):
        assert a.metrics == pytest.approx(b.metrics, rel=1e-5)


def test_a_plan_made_on_the_way_may_drop_a_stage(experiment, tmp_path):
    """From then on the run is as one that never meant to change."""
    changing = two_stages(experiment)
    budget = changing.budget_flops
    alone = Schedule((Stage(LARGE, budget),))

    def replan(run, schedule):
        return alone

    directory = tmp_path / "run"
    made = train_one(experiment, changing, 0, directory, replan=replan)
    assert {r.patch for r in made.records} == {LARGE.patch}
    whole = train_one(experiment, alone, 0, tmp_path / "alone")
    assert made.records[-1].step == whole.records[-1].step
    assert made.records[-1].metrics == whole.records[-1].metrics
