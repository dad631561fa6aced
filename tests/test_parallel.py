"""However a run is split over devices, processes, micro-batches or a population, it gives the same."""

import dataclasses
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from scalax import models, train
from scalax.config import DataConfig, EvalConfig, ModelConfig, RunConfig
from scalax.models.resnet import ResNet
from scalax.schedule import Shape
from scalax.settings import differences, run_settings
from scalax.tasks.image_classification import ImageClassification
from scalax.train import mesh as meshes
from scalax.train import optimizer, rates, state, step
from scalax.train.once import Once
from scalax.train.predict import outputs_of
from tests import parallel_run
from tests.parallel_run import STEPS
from tests.rejects import rejects
from tests.toy import with_config

ROOT = Path(__file__).parents[1]
PLAIN = "vit,vit_population_split,resnet"  # what the others are compared with
CASES = "vit,vit_streamed_accumulate_split,vit_population_split,resnet_split"
MORE = "resnet,resnet_streamed_split,vit_accumulate,vit_split,vit_population,vit_accumulate_population"
SHAPE = Shape(4, 8, 1)
CONFIG = RunConfig(
    data=DataConfig(max_train_images=64, max_validation_images=40),
    model=ModelConfig(base_patch=4, base_grid=2),
    eval=EvalConfig(batch_size=16, shots=0),
    batch_size=8,
)


def results_in(directory: Path, cases: str) -> dict[str, dict]:
    """By case."""
    return {case: dict(np.load(directory / f"{case}.npz")) for case in cases.split(",")}


def launch(directory: Path, cases: str, devices: int, processes: int = 1) -> dict[str, dict]:
    """The results of tests.parallel_run by case."""
    directory.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tests.parallel_run", str(directory), cases, str(devices)]
    started = [
        subprocess.Popen(
            [*command, str(processes), str(process), str(port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for process in range(processes)
    ]
    for process in started:
        out, err = process.communicate(timeout=400)
        assert process.returncode == 0, err[-2000:]
        assert out.endswith("finished\n")
    return results_in(directory, cases)


def assert_same(ours: dict, theirs: dict, context: str) -> None:
    """Losses to 1e-5, and each array of the model to 1e-4 of its norm.

    Single entries may be further apart: where a gradient is near zero Adam divides rounding by rounding. The
    key's bias is left out: softmax does not feel it, so that its gradient is nothing but rounding.
    """
    np.testing.assert_allclose(ours["losses"], theirs["losses"], rtol=0, atol=1e-5, err_msg=context)
    np.testing.assert_allclose(ours["loss"], theirs["loss"], rtol=1e-4, atol=1e-5, err_msg=context)
    np.testing.assert_array_equal(ours["wrong"], theirs["wrong"], err_msg=context)
    assert ours.keys() == theirs.keys()
    for name in ours.keys() - {"bytes"}:
        if not name.endswith("['key']['bias']"):
            a, b = ours[name], theirs[name]
            assert np.linalg.norm(a - b) <= 1e-4 * np.linalg.norm(b), f"{context} {name}"
            assert np.abs(a - b).max() <= 1e-3 * np.abs(b).max(), f"{context} {name}"


@pytest.fixture(scope="module")
def one(tmp_path_factory) -> dict[str, dict]:
    """The plain runs, on the one device of this process."""
    directory = tmp_path_factory.mktemp("one")
    parallel_run.main(directory, PLAIN)
    results = results_in(directory, PLAIN)
    losses = results["resnet"]["losses"]
    assert losses.shape == (STEPS,)
    assert losses[-2:].mean() < 0.8 * losses[:2].mean()
    assert np.abs(results["vit"]["['params']['head']['kernel']"]).max() > 5e-3  # which started at 0
    assert results["vit_population_split"]["losses"].shape == (STEPS, 2)
    return results


def assert_all_same(results: dict, one: dict, devices: int) -> None:
    for case, ours in results.items():
        plain = "vit_population_split" if "population" in case else case.split("_")[0]
        assert_same(ours, one[plain], case)
        if "split" in case:  # all that is large is split
            assert ours["bytes"] == pytest.approx(one[plain]["bytes"] / devices, rel=0.02)
        else:
            assert ours["bytes"] == one[plain]["bytes"]


def test_four_devices_change_nothing(tmp_path, one):
    assert_all_same(launch(tmp_path / "run", CASES, 4), one, 4)


def test_two_processes_change_nothing(tmp_path, one):
    """One case: the compilation cache serves process 0 alone."""
    assert_all_same(launch(tmp_path / "run", "resnet_streamed_split", 2, processes=2), one, 4)


@pytest.mark.slow
@pytest.mark.parametrize(("devices", "processes"), [(1, 1), (2, 1), (4, 1), (8, 1), (2, 2)])
def test_no_options_or_numbers_of_devices_change_anything(tmp_path, one, devices, processes):
    results = launch(tmp_path / "run", f"{CASES},{MORE}", devices, processes)
    assert_all_same(results, one, devices * processes)


@pytest.fixture(scope="module")
def experiment():
    return train.open_experiment(CONFIG)


def hyperparams(lr, decays=(0.01,), heads=(0.01,)):
    """Of one run, or of a population with an entry for each."""
    pairs = zip(decays, heads, strict=True)
    optims = [dataclasses.replace(CONFIG.optim, weight_decay=d, weight_decay_head=h) for d, h in pairs]
    return rates.hyperparams(lr, optims)


def go(experiment, seed, members=None, lr=1e-2, decays=(0.01,), heads=(0.01,), steps=STEPS):
    """(state, losses) after some steps."""
    programs, batches, size = experiment.programs, experiment.batches, experiment.config.batch_size
    now, feed, program = (
        programs.new_state(SHAPE, seed),
        batches.feed(seed, size),
        programs.step(SHAPE, size, members),
    )
    losses, own = [], hyperparams(lr, decays, heads)
    for _ in range(steps):
        now, metrics = program(now, batches.dataset(), batches.next(feed), own)
        losses.append(metrics["loss"])
    return now, np.asarray(losses)


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_population_equals_its_members_one_by_one(experiment, in_memory):
    """Seeds, learning rates and weight decays apart, each with its own order of the data."""
    if not in_memory:
        streamed = dataclasses.replace(CONFIG.data, device_gib=1e-9)
        experiment = train.open_experiment(dataclasses.replace(CONFIG, data=streamed))
    seeds, lrs, decays, heads = (7, 8, 7), (1e-2, 1e-2, 3e-3), (0.01, 0.5, 0.0), (0.01, 0.1, 3.0)
    together, losses = go(experiment, seeds, 3, lrs, decays, heads)
    assert together.step.tolist() == [STEPS] * 3
    evaluation = experiment.programs.predict(SHAPE, 16, ())

    def losses_of(state, member=None):
        outputs = outputs_of(evaluation, experiment.mesh, 16, state, member)
        return outputs.scores(experiment.splits.validation)["loss"]

    for member, settings in enumerate(zip(seeds, lrs, decays, heads, strict=True)):
        seed, lr, decay, head = settings
        alone, expected = go(experiment, seed, None, lr, [decay], [head])
        np.testing.assert_allclose(losses[:, member], expected, rtol=1e-5)
        leaves = jax.tree_util.tree_leaves_with_path(jax.tree.map(np.asarray, alone.params))
        every = jax.tree.leaves(jax.tree.map(np.asarray, together.params))
        for (path, leaf), population in zip(leaves, every, strict=True):
            name = jax.tree_util.keystr(path)
            if not name.endswith("['key']['bias']"):  # see assert_same
                assert np.linalg.norm(population[member] - leaf) <= 1e-4 * np.linalg.norm(leaf), name
        np.testing.assert_allclose(losses_of(together, member), losses_of(alone), rtol=1e-3, atol=1e-5)
    assert len({losses[-1, member].item() for member in range(3)}) == 3


def test_a_member_that_is_not_finite_is_skipped_and_hurts_no_other(experiment):
    seeds, programs, batches = (7, 8), experiment.programs, experiment.batches
    now, feed = programs.new_state(SHAPE, seeds), batches.feed(seeds, 8)
    now.params["head"]["bias"] = now.params["head"]["bias"].at[1, 0].set(jnp.inf)
    before = jax.tree.map(np.asarray, now)
    program = programs.step(SHAPE, 8, 2, skip_nonfinite=True)
    own = hyperparams([1e-2, 1e-2], [0.01] * 2, [0.01] * 2)
    now, metrics = program(now, batches.dataset(), batches.next(feed), own)
    assert metrics["skipped"].tolist() == [0, 1]
    assert not np.isfinite(metrics["loss"][1])
    assert now.step.tolist() == [1, 1]
    alone, losses = go(experiment, 7, steps=1)
    assert metrics["loss"][0] == pytest.approx(losses[0], rel=1e-5)
    after, single_run = (jax.tree.map(np.asarray, each) for each in (now, alone))
    for ours, old, single in zip(*map(jax.tree.leaves, (after, before, single_run)), strict=True):
        if ours.ndim > 1 or ours.dtype != jnp.int32:  # neither step nor Adam's count
            np.testing.assert_array_equal(ours[1], old[1])
        np.testing.assert_allclose(ours[0], single, rtol=1e-4, atol=1e-4)
    assert now.opt_state[1].count.tolist() == [1, 0]
    good = now._replace(params=jax.tree.map(lambda x: np.where(np.isfinite(x), x, 0), after.params))
    now, metrics = program(good, batches.dataset(), batches.next(feed), own)
    assert metrics["skipped"].tolist() == [0, 0]
    assert now.opt_state[1].count.tolist() == [2, 1]


def test_costs_and_identity_do_not_depend_on_how_a_step_is_computed(experiment):
    options = ModelConfig(base_patch=4, base_grid=2, scan=True, remat=True, dropout=0.1, drop_path=0.1)
    other = dataclasses.replace(CONFIG, model=options, accumulate=2, shard_optimizer=True)
    assert train.open_experiment(other, experiment.splits).cost(SHAPE) == experiment.cost(SHAPE)
    computed = dataclasses.replace(
        CONFIG, model=dataclasses.replace(CONFIG.model, remat=True), accumulate=2, shard_optimizer=True
    )
    assert run_settings(computed) == run_settings(CONFIG)
    different = differences(run_settings(other), run_settings(CONFIG))
    assert [name.split()[0] for name in different] == ["model.drop_path", "model.dropout", "model.scan"]


def test_scan_remat_and_dropout_train(experiment):
    options = ModelConfig(base_patch=4, base_grid=2, scan=True, remat=True, dropout=0.1, drop_path=0.1)
    now, losses = go(with_config(experiment, model=options), 7, steps=20)
    assert now.params["blocks"]["attn"]["key"]["kernel"].shape[0] == SHAPE.depth
    assert losses[-5:].mean() < losses[:5].mean()
    plain = dataclasses.replace(options, dropout=0.0, drop_path=0.0)
    _, other = go(with_config(experiment, model=plain), 7, steps=3)
    assert not np.allclose(losses[1:3], other[1:])  # the masks act


def test_batch_norm_rejects_micro_batches(experiment):
    config = dataclasses.replace(CONFIG, accumulate=2)
    halves = train.open_experiment(config, experiment.splits, lambda shape, training: ResNet(10, (1,), False))
    for ask in (lambda: halves.cost(SHAPE), lambda: halves.programs.step(SHAPE, 8)):
        with rejects("accumulate 2"):
            ask()
    with rejects("batch_size 8", 3):
        with_config(experiment, accumulate=3).cost(SHAPE)


def test_gradients_are_averaged_in_float32():
    """With bfloat16 compute, what the devices exchange and what is kept is float32."""
    model = models.build("V8-1/4", 10, image_size=8, base_grid=2, dtype=jnp.bfloat16)
    tx = optimizer.make_optimizer(CONFIG.optim)
    before = state.abstract(model, tx.transform, jax.ShapeDtypeStruct((8, 8, 1), jnp.float32))
    one = jax.ShapeDtypeStruct((), jnp.float32)
    batch = {
        "image": jax.ShapeDtypeStruct((8, 8, 8, 1), jnp.uint8),
        "label": jax.ShapeDtypeStruct((8,), jnp.int32),
    }
    task = ImageClassification((8, 8, 1), 10, 0.2, 1, False)
    jitted = step.make_train_step(model, tx, task, CONFIG, meshes.make_mesh())
    lowered = jitted.lower(before, {}, batch, optimizer.Hyperparams(one, one, one, one))
    text = lowered.as_text()
    assert "bf16" in text
    exchanged = re.findall(r'"stablehlo\.all_reduce".*?\}\) : \((.*?)\) ->', text, re.DOTALL)
    assert len(exchanged) > 10
    assert {kind for found in exchanged for kind in re.findall(r"b?f\d+(?=>)", found)} == {"f32"}
    after, _ = lowered.out_info
    kept = jax.tree.leaves((after.params, after.opt_state[1].mu, after.opt_state[1].nu))
    assert {leaf.dtype for leaf in kept} == {jnp.dtype("float32")}


def test_a_program_is_made_once_for_all_threads():
    once, made, go_on = Once(), [], threading.Event()

    def make():
        made.append(threading.get_ident())
        assert go_on.wait(10)
        return object()

    results = []
    threads = [threading.Thread(target=lambda: results.append(once("key", make))) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert once("other", lambda: 3) == 3  # which waits for nothing
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert len(made) == 1
    assert len(results) == 4
    assert len(set(results)) == 1
    with pytest.raises(ZeroDivisionError):
        once("bad", lambda: 1 / 0)
    assert once("bad", lambda: 1) == 1
