"""A small run through two shapes, as a process of its own: python -m tests.tiny_run DIRECTORY [DEVICES].

Prints a line at each step and evaluation, so that a test can kill it at a chosen moment; at the end leaves
the state of the last checkpoint in final.npz. Ends with the exit code of preemption where it was asked to.
"""

import sys
from pathlib import Path

import jax
import numpy as np


def main(directory: str, devices: int = 1) -> None:
    jax.config.update("jax_num_cpu_devices", devices)
    from scalax import data, train
    from scalax.config import DataConfig, EvalConfig, ModelConfig, OptimConfig, RunConfig
    from scalax.schedule import Schedule, Shape, Stage
    from scalax.train import preempt
    from scalax.train.checkpoint import Checkpoints

    config = RunConfig(
        data=DataConfig(max_train_images=200, max_validation_images=40),
        model=ModelConfig(base_patch=2, base_grid=4),
        optim=OptimConfig(lr=1e-2, warmup_steps=5),
        eval=EvalConfig(points=8, batch_size=40, shots=0),
        batch_size=16,
        checkpoint_steps=10,
    )
    splits = data.load(config.data)
    setup = train.Setup(config, splits)
    large, small = Shape(4, 8, 1), Shape(2, 16, 1)  # the patch and the width change
    first, second = setup.cost(large).step.flops, setup.cost(small).step.flops
    schedule = Schedule((Stage(large, 60.5 * first), Stage(small, 60 * first + 60.5 * second)))

    def evaluate(predict):
        wrong, loss, _ = predict(splits.validation)
        print("evaluated", flush=True)
        return {"val_error": float(wrong.mean()), "val_loss": float(loss.mean())}

    class Steps(train.Hook):
        def step(self, run, step):
            print(f"step {step}", flush=True)

    try:
        with preempt.watch():
            train.run(setup, schedule, [train.Member(directory, 0)], evaluate, [Steps()])
    except preempt.Preempted:
        sys.exit(75)
    found = Checkpoints(Path(directory) / "ckpt").restore(lambda step, place: setup.abstract_state(small))
    assert found
    leaves = jax.tree_util.tree_leaves_with_path(found[1])
    np.savez(Path(directory) / "final.npz", **{jax.tree_util.keystr(k): np.asarray(v) for k, v in leaves})
    print("finished", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
