"""Runs in TensorBoard and in Weights & Biases, each evaluation a point."""

import importlib.util
import os
import re
import uuid
from pathlib import Path
from typing import Any

from scalax import records, untrusted
from scalax.distribution import install
from scalax.errors import UserError
from scalax.records import RunInfo, RunRecord
from scalax.train.hooks import Hook, Progress


class TensorBoard(Hook):
    """Event files in OUT/tensorboard/RUN; look at them with `tensorboard --logdir OUT/tensorboard`.

    What a killed run wrote after the checkpoint that it goes on from is hidden there.
    """

    def __init__(self, out: Any):
        _need("tensorboardX", "tensorboard")
        self._directory = Path(out) / "tensorboard"
        self._writers: dict[str, Any] = {}

    def step(self, run: str, step: int) -> None:
        if run not in self._writers:
            from tensorboardX import SummaryWriter

            purge = step + 1 if step else None  # the evaluation after `step` updates stays
            self._writers[run] = SummaryWriter(str(self._directory / run), purge_step=purge)

    def progress(self, progress: Progress) -> None:
        for name, value in _speed(progress).items():
            self._writers[progress.run].add_scalar(name, value, progress.step)

    def record(self, record: RunRecord) -> None:
        writer = self._writers[record.run]
        for name, value in _values(record).items():
            writer.add_scalar(name, value, record.step)
        writer.flush()

    def end(self, run: str) -> None:
        if writer := self._writers.pop(run, None):
            writer.close()


def id_in(file: Path) -> str:
    """The id of a W&B run that a file holds. Raises UserError where it holds none."""
    remedy = "remove it, and a new one is begun"
    try:
        found = untrusted.read_bytes(file).decode("latin1").strip()
    except OSError as e:
        raise UserError(f"{file}: cannot read it ({e.strerror or e}); {remedy}") from None
    if not re.fullmatch(r"\w{1,64}", found, re.ASCII):
        raise UserError(f"{file}: holds no id of a W&B run; {remedy}")
    return found


class Wandb(Hook):
    """A W&B run for each run, in project WANDB_PROJECT or `scalax`, grouped by the study's directory.

    WANDB_MODE=offline keeps everything in OUT/wandb, for `wandb sync` later. A run that is started again goes
    on as the same W&B run.
    """

    def __init__(self, out: Any):
        _need("wandb", "wandb")
        self._out = Path(out)
        self._runs: dict[str, Any] = {}

    def start(self, run: str, directory: Any, info: RunInfo) -> None:
        """Open the run there, or go on with the one that `directory` names.

        - run: its name.
        - directory: of the run.
        - info: its config and cost.
        """
        import wandb

        file = Path(directory) / "wandb_id"
        if not file.exists():
            records.write_atomically(file, uuid.uuid4().hex[:12])
        number = id_in(file)
        try:
            started = wandb.init(
                project=os.environ.get("WANDB_PROJECT", "scalax"),
                group=self._out.resolve().name,
                name=run,
                id=number,
                resume="allow",
                config=info.to_json(),
                dir=str(self._out),
                reinit="create_new",
            )
        except wandb.Error as e:
            reason = str(e).splitlines()[0].rstrip(".")
            raise UserError(f"`wandb`: {reason}; or set WANDB_MODE=offline") from None
        started.define_metric("*", step_metric="step")
        self._runs[run] = started

    def progress(self, progress: Progress) -> None:
        self._runs[progress.run].log({**_speed(progress), "step": progress.step})

    def record(self, record: RunRecord) -> None:
        self._runs[record.run].log({**_values(record), "step": record.step})

    def end(self, run: str) -> None:
        if started := self._runs.pop(run, None):
            started.finish()


def _values(record: RunRecord) -> dict[str, float]:
    spent = {"flops": record.flops, record.unit: record.examples, "wall_s": record.wall_s}
    shape = {"shape/patch": record.patch, "shape/width": record.width, "shape/depth": record.depth}
    shape |= {"shape/resolution": record.resolution} if record.resolution else {}
    return {**record.metrics, **spent, **shape}


def _speed(progress: Progress) -> dict[str, float]:
    return {
        f"speed/{progress.unit}_per_s": progress.examples_per_s,
        "speed/flops_per_s": progress.flops_per_s,
    }


def _need(module: str, argument: str) -> None:
    if importlib.util.find_spec(module) is None:
        raise UserError(f"`{argument}` needs {module}, which is not installed: {install('trackers')}")
