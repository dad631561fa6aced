"""A small run through two shapes, as a process of its own: python -m tests.tiny_run DIRECTORY [DEVICES].

Prints a line at each step and evaluation, so that a test can kill it at a chosen moment; at the end leaves
the state of the last checkpoint in final.npz. Ends with the exit code of preemption where it was asked to.
"""

# isort: off
from scalax import process

if __name__ == "__main__":
    process.begin("tiny_run")
# isort: on

import sys
from pathlib import Path

import jax
import numpy as np


def main(directory: str, devices: int = 1) -> None:
    if devices > 1:
        jax.config.update("jax_num_cpu_devices", devices)
    from scalax import signals, train
    from scalax.config import DataConfig, EvalConfig, ModelConfig, OptimConfig, RunConfig
    from scalax.evals import Evaluator, evaluations
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
    experiment = train.open_experiment(config)
    large, small = Shape(4, 8, 1), Shape(2, 16, 1)  # the patch and the width change
    first, second = experiment.cost(large).step.flops, experiment.cost(small).step.flops
    schedule = Schedule((Stage(large, 60.5 * first), Stage(small, 60 * first + 60.5 * second)))
    evaluator = Evaluator(evaluations(config), experiment.task, experiment.splits, experiment.load)

    class Told(train.Hook):
        def step(self, run, step):
            print(f"step {step}", flush=True)

        def record(self, record):
            print("evaluated", flush=True)

    try:
        train.run(experiment, schedule, [train.Member(directory, 0)], lambda: evaluator, [Told()])
    except preempt.Preempted:
        sys.exit(signals.exit_code())
    abstract = experiment.programs.abstract_state(small)
    found = Checkpoints(Path(directory) / "ckpt").restore(lambda step, progress: abstract)
    assert found
    leaves = jax.tree_util.tree_leaves_with_path(found[1])
    np.savez(Path(directory) / "final.npz", **{jax.tree_util.keystr(k): np.asarray(v) for k, v in leaves})
    print("finished", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
