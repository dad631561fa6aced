"""The same small runs on any number of devices and processes, each process one of these:
python -m tests.parallel_run DIRECTORY CASES DEVICES [PROCESSES PROCESS PORT]

Process 0 leaves in DIRECTORY/CASE.npz the losses of some steps, the parameters and running statistics after
them, an evaluation, and the bytes that one device holds of the optimiser's state.
"""

import dataclasses
import sys
from pathlib import Path

import jax
import numpy as np

from scalax import process

STEPS = 8  # few: rounding grows from step to step, a thousandfold in twelve of the ResNet
SEEDS = (3, 4)  # of the population


def cases(names: list[str]) -> dict:
    """Experiments by name: a ViT with dropout and stochastic depth, or a ResNet with batch norm."""
    from scalax import data, train
    from scalax.config import DataConfig, EvalConfig, ModelConfig, RunConfig
    from scalax.models.resnet import ResNet

    plain = RunConfig(
        data=DataConfig(image_size=16, max_train_images=300, max_validation_images=50),
        model=ModelConfig(base_patch=4, base_grid=4, dropout=0.1, drop_path=0.2),
        eval=EvalConfig(batch_size=32, shots=0),
        batch_size=16,
    )
    splits = data.load(plain.data)
    streamed = data.load(dataclasses.replace(plain.data, device_gib=1e-9))
    experiments = {}
    for name in names:
        options = {"shard_optimizer": "split" in name, "accumulate": 2 if "accumulate" in name else 1}
        build = (lambda shape, training: ResNet(10, (1,), False)) if "resnet" in name else None
        images = streamed if "streamed" in name else splits
        experiments[name] = train.open_experiment(dataclasses.replace(plain, **options), images, build)
    return experiments


def train_case(experiment, members: int | None) -> dict[str, np.ndarray]:
    from scalax.schedule import Shape
    from scalax.train.predict import outputs_of
    from scalax.train.rates import hyperparams

    shape = Shape(4, 32, 2)
    programs, batches, config = experiment.programs, experiment.batches, experiment.config
    seed = SEEDS if members else SEEDS[0]
    rates = hyperparams([1e-3, 2e-3], [config.optim] * 2) if members else hyperparams(1e-3, [config.optim])
    state, feed, program = (
        programs.new_state(shape, seed),
        batches.feed(seed, config.batch_size),
        programs.step(shape, config.batch_size, members),
    )
    shardings = jax.tree.map(lambda leaf: leaf.sharding, state)
    losses = []
    for _ in range(STEPS):
        state, metrics = program(state, batches.dataset(), batches.next(feed), rates)
        losses.append(np.asarray(metrics["loss"]))
    for leaf, sharding in zip(jax.tree.leaves(state), jax.tree.leaves(shardings), strict=True):
        assert leaf.sharding.is_equivalent_to(sharding, leaf.ndim)
    held = [leaf.addressable_shards[0].data.nbytes for leaf in jax.tree.leaves(state.opt_state)]
    last = None if members is None else members - 1
    evaluation = programs.predict(shape, config.eval.batch_size, ("pre_logits",))
    outputs = outputs_of(evaluation, experiment.mesh, config.eval.batch_size, state, last)
    validation = experiment.splits.validation
    leaves = jax.tree_util.tree_leaves_with_path({"params": state.params, "statistics": state.model_state})
    return {
        "losses": np.stack(losses),
        **outputs.scores(validation),
        "features": outputs.features(validation, "pre_logits"),
        "bytes": np.array(sum(held)),
        **{jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves},
    }


def main(directory, names, devices="1", processes="1", process="0", port="0") -> None:
    if int(devices) > 1:
        jax.config.update("jax_num_cpu_devices", int(devices))
    if int(processes) > 1:
        from scalax.train import distributed

        distributed.start(f"127.0.0.1:{port}", int(processes), int(process))
    assert jax.device_count() == int(devices) * int(processes)
    for name, experiment in cases(names.split(",")).items():
        result = train_case(experiment, len(SEEDS) if "population" in name else None)
        if jax.process_index() == 0:
            np.savez(Path(directory) / f"{name}.npz", **result)
    print("finished", flush=True)


if __name__ == "__main__":
    process.begin("parallel_run")
    main(*sys.argv[1:])
