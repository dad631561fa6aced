"""The step, its learning rate and decay, the timeline in FLOPs, and how a run begins and ends."""

import dataclasses
import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from scalax import data, models, records, train
from scalax.config import DataConfig, EvalConfig, ModelConfig, MorphConfig, OptimConfig, RunConfig
from scalax.errors import UserError
from scalax.schedule import Schedule, Shape, Stage
from scalax.train import optimizer, state, step, timeline
from scalax.train.checkpoint import Checkpoints

LARGE, SMALL = Shape(4, 8, 1), Shape(2, 8, 1)
CONFIG = RunConfig(
    data=DataConfig(max_train_images=64, max_validation_images=40),
    model=ModelConfig(base_patch=2, base_grid=2),
    optim=OptimConfig(lr=1e-2, warmup_steps=2),
    eval=EvalConfig(points=3, batch_size=32, shots=0),
    batch_size=8,
    checkpoint_steps=3,
)


def evaluate(predict):
    wrong, loss, features = predict(SETUP_SPLITS[0].validation)
    assert len(wrong) == len(loss) == len(features) == 40
    return {"val_error": float(wrong.mean()), "val_loss": float(loss.mean())}


SETUP_SPLITS: list = []
leaves = jax.tree_util.tree_leaves_with_path


@pytest.fixture(scope="module")
def setup():
    splits = data.load(CONFIG.data)
    SETUP_SPLITS[:] = [splits]
    return train.Setup(CONFIG, splits)


def train_one(setup, schedule, seed, directory, evaluate, hooks=()):
    (result,) = train.run(setup, schedule, [train.Member(directory, seed)], evaluate, hooks)
    return result


class Watched(train.Hook):
    """Notes what it is told."""

    def __init__(self):
        self.steps: list[int] = []
        self.records: list[records.RunRecord] = []

    def step(self, run, step):
        self.steps.append(step)

    def record(self, record):
        self.records.append(record)


def two_stages(setup) -> Schedule:
    """Four steps at patch 4, then three at patch 2, with some FLOPs to spare."""
    first, second = setup.cost(LARGE).step.flops, setup.cost(SMALL).step.flops
    return Schedule((Stage(LARGE, 4.3 * first), Stage(SMALL, 4 * first + 3.9 * second)))


def test_update_equals_a_plain_reference():
    """One step against a loss, clip, Adam and decay written out by hand."""
    model = models.build("V8-1/4", 3, image_size=8)
    config = OptimConfig(weight_decay=0.1, weight_decay_head=0.3, label_smoothing=0.2, clip_norm=0.5)
    tx = optimizer.make_optimizer(config)
    before = state.create(model, tx, (8, 8, 1), seed=1)
    before.params["head"]["kernel"] += jax.random.normal(jax.random.PRNGKey(3), (8, 3))
    images = jax.random.normal(jax.random.PRNGKey(2), (6, 8, 8, 1))
    labels = jnp.array([0, 1, 2, 2, 1, 0])
    knobs = optimizer.Knobs(rate=0.01, decay=config.weight_decay, decay_head=config.weight_decay_head)
    after, metrics = jax.jit(lambda s: step.update(model, tx, 0.2, s, images, labels, knobs))(before)

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
    params = state.abstract(model, optax.identity(), (8, 8, 1)).params
    groups = {"/".join(k.key for k in path): optimizer.decay_group(path) for path, _ in leaves(params)}
    assert groups["head/kernel"] == "head"
    assert groups["embedding/kernel"] == groups["block00/attn/query/kernel"] == "body"
    rest = [name for name, group in groups.items() if not group]
    assert len(rest) > 10
    assert not any(name.endswith("kernel") for name in rest)


def test_learning_rates():
    rate = optimizer.learning_rate
    constant = OptimConfig(lr=1.0, warmup_steps=10)
    assert [rate(constant, s, 0.5) for s in (0, 4, 9, 500)] == [0.1, 0.5, 1.0, 1.0]
    cosine = dataclasses.replace(constant, schedule="cosine")
    assert rate(cosine, 50, 0.5) == pytest.approx(0.5)
    assert rate(cosine, 50, 1.0) == pytest.approx(0.0)
    rsqrt = dataclasses.replace(constant, schedule="rsqrt", cooldown_share=0.25)
    assert rate(rsqrt, 39, 0.5) == pytest.approx(0.5)
    assert rate(rsqrt, 39, 0.875) == pytest.approx(0.25)


def test_a_learning_rate_settles_evenly_in_the_logs():
    rate = optimizer.settling_rate
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
    with pytest.raises(UserError, match=r"budget_flops 9 buys no step \(10 FLOPs each\)"):
        timeline.plan(Schedule((Stage(LARGE, 9.0),)), COSTS.__getitem__, 8, EvalConfig())


def test_a_stage_too_short_for_a_step_is_passed_over():
    schedule = Schedule((Stage(SMALL, 39.0), Stage(LARGE, 60.0)))
    assert spans_of(timeline.plan(schedule, COSTS.__getitem__, 8, EvalConfig())) == [(LARGE, 0, 6)]


def test_a_stage_may_have_a_batch_of_its_own():
    schedule = Schedule((Stage(LARGE, 20.0), Stage(SMALL, 53.0, batch_size=2)))
    plan = timeline.plan(schedule, COSTS.__getitem__, 8, EvalConfig())
    assert plan.flops(plan.steps) == 2 * 10 + 3 * 11
    assert plan.images.tolist() == [0, 8, 16, 18, 20, 22]


def test_steps_of_drawn_patches_cost_what_was_drawn():
    schedule = Schedule((Stage(SMALL, 2000.0, patches=(4, 2)),))
    plan = timeline.plan(schedule, COSTS.__getitem__, 8, EvalConfig())
    (span,) = plan.spans
    costs = [COSTS[span.work(step)].flops for step in range(plan.steps)]
    assert np.diff(plan.spent[:, 0]).tolist() == costs
    assert 1960 < sum(costs) <= 2000
    assert 0.3 < np.mean([shape == LARGE for shape in span.drawn]) < 0.7


def test_both_counts_are_recorded_and_agree(setup):
    cost = setup.cost(SMALL)
    assert cost.step.flops_matmul < cost.step.flops
    explained = cost.explained
    assert sum(explained.values()) == pytest.approx(cost.step.flops)
    assert abs(explained["unexplained"]) < 0.02 * cost.step.flops
    tokens, d = 16, 8  # an independent count: 12 d^2 + attention a token, then embedding and head
    macs = tokens * (12 * d * d + 2 * tokens * d + 4 * d) + d * 10
    assert cost.forward_macs == pytest.approx(macs)


def test_run_changes_shape_records_and_is_only_read_again(setup, tmp_path):
    watched = Watched()
    result = train_one(setup, two_stages(setup), 0, tmp_path / "run", evaluate, [watched])
    assert watched.records == result.records
    assert watched.steps == list(range(7))
    first, second = setup.cost(LARGE).step, setup.cost(SMALL).step
    at_switch = [r for r in result.records if r.step == 4]
    assert [r.patch for r in at_switch] == [4, 2]  # before and after the change, at equal cost
    last = result.records[-1]
    assert (last.step, last.images, last.patch) == (7, 56, 2)
    assert last.flops == pytest.approx(4 * first.flops + 3 * second.flops)
    assert last.flops_matmul == pytest.approx(4 * first.flops_matmul + 3 * second.flops_matmul)
    assert last.flops <= two_stages(setup).budget_flops
    info = json.loads((tmp_path / "run" / "run.json").read_text())
    assert info["finished"]
    assert {"config", "versions", "device", "costs", "schedule", "seed"} <= info.keys()
    stamp = (tmp_path / "run" / "metrics.jsonl").stat().st_mtime_ns
    assert train_one(setup, two_stages(setup), 0, tmp_path / "run", evaluate).records == result.records
    assert (tmp_path / "run" / "metrics.jsonl").stat().st_mtime_ns == stamp
    assert len(list((tmp_path / "run" / "ckpt").glob("[0-9]*"))) == 2


def test_directory_of_another_config_is_refused(setup, tmp_path):
    train_one(setup, two_stages(setup), 0, tmp_path, evaluate)
    other = train.Setup(dataclasses.replace(CONFIG, optim=OptimConfig(lr=0.5)), setup.splits)
    with pytest.raises(UserError, match=r"another config: config\.optim\.lr \(here 0\.5, there 0\.01\)"):
        train_one(other, two_stages(setup), 0, tmp_path, evaluate)
    with pytest.raises(UserError, match="seed"):
        train_one(setup, two_stages(setup), 1, tmp_path, evaluate)


def test_a_run_settles_to_the_rate_of_its_stage(setup, tmp_path, monkeypatch):
    seen = {}
    monkeypatch.setattr(
        "scalax.train.loop.learning_rate", lambda config, step, *_: seen.setdefault(step, config.lr)
    )
    settling = train.Setup(dataclasses.replace(CONFIG, morph=MorphConfig(settle=1.4)), setup.splits)
    first, second = two_stages(setup).stages
    schedule = Schedule((first._replace(lr=8e-3), second._replace(lr=1e-3)))
    train_one(settling, schedule, 0, tmp_path, evaluate)
    plan = train.check(settling, schedule)
    change = plan.spans[1].first
    rates = [seen[step] for step in range(plan.steps)]
    assert set(rates[:change]) == {8e-3}
    assert rates[change] == pytest.approx(8e-3)
    later = [step for step in range(change, plan.steps) if plan.flops(step) < 1.4 * plan.flops(change)]
    assert np.all(np.diff([rates[step] for step in later]) < 0)
    assert rates[later[-1] + 1 :]
    assert rates[later[-1] + 1 :] == pytest.approx([1e-3] * (plan.steps - later[-1] - 1))


def test_divergence_stops_the_run_and_keeps_what_was_good(setup, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "scalax.train.loop.learning_rate", lambda config, step, *_: 1e-2 if step < 3 else 1e30
    )
    careful = train.Setup(dataclasses.replace(CONFIG, checkpoint_steps=1), setup.splits)
    with pytest.raises(UserError, match=r"is (nan|inf) at step 4 \(V8-1/4\); lower optim.lr 0.01") as e:
        train_one(careful, two_stages(setup), 0, tmp_path, evaluate)
    assert "\n" not in str(e.value)
    assert "the checkpoint of step 3 is good" in str(e.value)
    assert sorted(int(p.name) for p in (tmp_path / "ckpt").glob("[0-9]*")) == [2, 3]
    assert max(r.step for r in records.read(tmp_path / "metrics.jsonl")) <= 3
    assert not json.loads((tmp_path / "run.json").read_text())["finished"]


def test_unreadable_checkpoint_falls_back_loudly(setup, tmp_path):
    whole = train_one(setup, two_stages(setup), 0, tmp_path, evaluate)
    newest = max((tmp_path / "ckpt").glob("[0-9]*"), key=lambda p: int(p.name))
    for file in newest.rglob("*"):
        if file.is_file() and file.parent.name != newest.name:
            file.write_bytes(b"")
    info = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps({**info, "finished": False}))
    with pytest.warns(UserWarning, match="cannot be read .* going back to the one before"):
        again = train_one(setup, two_stages(setup), 0, tmp_path, evaluate)
    assert [r._replace(wall_s=0) for r in again.records] == [r._replace(wall_s=0) for r in whole.records]


def test_saves_go_on_below_a_checkpoint_that_cannot_be_read(setup, tmp_path):
    saved = setup.new_state(LARGE, 0)
    checkpoints = Checkpoints(tmp_path)
    for at in (10, 20):
        checkpoints.save(at, saved, {"at": at})
    checkpoints.wait()
    for file in (tmp_path / "20").rglob("*"):
        if file.is_file() and file.parent.name != "20":
            file.write_bytes(b"")
    abstract = setup.abstract_state(LARGE)
    with pytest.warns(UserWarning, match="going back to the one before"):
        assert checkpoints.restore(lambda step, place: abstract)[0] == 10
    checkpoints.save(15, saved, {"at": 15})
    checkpoints.close()
    with pytest.warns(UserWarning, match="going back to the one before"):
        at, _, place = Checkpoints(tmp_path).restore(lambda step, place: abstract)
    assert (at, place) == (15, {"at": 15})


def test_counts_that_disagree_refuse_the_run(setup, monkeypatch):
    import scalax.train.setup as module

    assert setup.cost(SMALL).reason.startswith("elementwise ")  # counted, so no note is needed
    monkeypatch.setattr(module.cost, "xla_flops", lambda *args: 1e7)
    with pytest.raises(UserError, match=r"XLA counts 1e\+07 FLOPs a step.* have no reason; .* --cost-note"):
        train.Setup(CONFIG, setup.splits).cost(LARGE)
    noted = dataclasses.replace(CONFIG, cost_note="a test")
    assert train.Setup(noted, setup.splits).cost(LARGE).reason == "a test"
    monkeypatch.setattr(module.cost, "xla_flops", lambda *args: 0.0)
    with pytest.raises(UserError, match="counts no FLOPs"):
        train.Setup(noted, setup.splits).cost(LARGE)


def test_changed_data_is_another_run(setup, tmp_path):
    train_one(setup, two_stages(setup), 0, tmp_path, evaluate)
    images = setup.splits.train
    fewer = setup.splits._replace(train=dataclasses.replace(images, source=images.source.take(np.arange(50))))
    with pytest.raises(UserError, match=r"another config: data.train \(here 50, there 64\)"):
        train_one(train.Setup(CONFIG, fewer), two_stages(setup), 0, tmp_path, evaluate)


def test_evaluation_that_is_not_finite_stops_the_run(setup, tmp_path):
    with pytest.raises(UserError, match="val_loss is nan at step"):
        train_one(setup, two_stages(setup), 0, tmp_path, lambda predict: {"val_loss": float("nan")})
    assert not (tmp_path / "metrics.jsonl").exists()


def test_bfloat16_computes_in_bfloat16_and_keeps_float32_parameters(setup, tmp_path):
    config = dataclasses.replace(CONFIG, model=dataclasses.replace(CONFIG.model, precision="bfloat16"))
    half = train.Setup(config, setup.splits)
    assert half.model(LARGE).dtype == jnp.bfloat16
    assert {leaf.dtype for leaf in jax.tree.leaves(half.new_state(LARGE, 0).params)} == {jnp.dtype("float32")}
    ours = train_one(half, two_stages(setup), 0, tmp_path / "half", evaluate).records[-1]
    theirs = train_one(setup, two_stages(setup), 0, tmp_path / "whole", evaluate).records[-1]
    assert ours.metrics["val_loss"] == pytest.approx(theirs.metrics["val_loss"], rel=0.03)


def test_streamed_images_train_like_resident_ones(setup, tmp_path):
    """The same batches decoded on the host give the same run as rows gathered on the device."""
    streaming = dataclasses.replace(CONFIG, data=dataclasses.replace(CONFIG.data, device_gib=1e-9))
    other = train.Setup(streaming, data.load(streaming.data))
    assert other.dataset() == ()
    results = [
        train_one(s, two_stages(setup), 0, tmp_path / name, evaluate).records
        for s, name in ((setup, "resident"), (other, "streamed"))
    ]
    for a, b in zip(*results, strict=True):
        assert a.metrics == pytest.approx(b.metrics, rel=1e-5)
