"""One run through the stages of its schedule: steps, evaluations, records, checkpoints, resumption."""

import json
import math
import platform
import time
from collections import deque
from collections.abc import Callable
from importlib import metadata
from typing import NamedTuple

import jax
import numpy as np
import optax
from etils import epath

from scalax import config as configs
from scalax import data, records
from scalax.errors import UserError
from scalax.records import RunRecord
from scalax.schedule import Schedule, Shape
from scalax.train import mesh as meshes
from scalax.train.checkpoint import Checkpoints
from scalax.train.lock import alone_in
from scalax.train.optimizer import learning_rate
from scalax.train.setup import Setup
from scalax.train.timeline import Timeline, plan

IDENTITY = ("config", "schedule", "seed", "data", "precision", "costs")  # what makes it the same run
AHEAD = 16  # steps whose metrics may be on their way from the device
PACKAGES = ("scalax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy")


class Progress(NamedTuple):
    """Where a run stands: its name, present shape, FLOPs spent of its budget, and images a second."""

    run: str
    shape: Shape
    flops: float
    budget_flops: float
    images_per_s: float


class RunResult(NamedTuple):
    records: list[RunRecord]
    info: dict  # what run.json holds


def run(
    setup: Setup,
    schedule: Schedule,
    seed: int,
    directory,
    evaluate: Callable[[Callable], dict[str, float]],
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> RunResult:
    """Train by `schedule` in `directory`, from its last checkpoint if there is one.

    evaluate: from a predictor (Setup.predictor) to metrics. A finished run is only read. Raises
    UserError where the directory belongs to another config, the budget buys no step, or the loss is
    no longer finite (the records and the last good checkpoint stay).
    """
    directory = epath.Path(directory)
    timeline = check(setup, schedule)
    info = _describe(setup, schedule, seed, timeline)
    metrics_path = directory / "metrics.jsonl"
    if open_directory(directory, info):
        return RunResult(records.read(metrics_path), json.loads((directory / "run.json").read_text()))
    feed = data.feed(setup.splits.train, setup.config.batch_size, seed)
    with alone_in(directory):
        checkpoints = Checkpoints(directory / "ckpt")
        try:
            run = _Run(setup, timeline, seed, directory.name, feed, checkpoints, evaluate, on_progress)
            run.go(metrics_path)
        finally:
            checkpoints.close()
        info["finished"] = True
        records.write_atomically(directory / "run.json", records.dumps(info, indent=1) + "\n")
    return RunResult(records.read(metrics_path), info)


def check(setup: Setup, schedule: Schedule) -> Timeline:
    """The run's steps; raises UserError, before anything compiles, for what could not be trained."""
    costs = {stage.shape: setup.cost(stage.shape).step for stage in schedule.stages}
    return plan(schedule, costs, setup.config.eval)


def open_directory(directory, info: dict) -> bool:
    """Make a run's directory or check that it is this run's; True where the run is finished.

    Raises UserError where it belongs to another config, or cannot be made.
    """
    path = epath.Path(directory) / "run.json"
    if not path.exists():
        try:
            epath.Path(directory).mkdir(parents=True, exist_ok=True)
            records.write_atomically(path, records.dumps(info, indent=1) + "\n")
        except OSError as e:
            raise UserError(f"cannot write {path} ({e.strerror or e}); choose another --out") from None
        return False
    try:
        theirs = json.loads(path.read_text())
    except ValueError:
        raise UserError(f"{path} is not JSON; move the directory away or choose another --out") from None
    ours = json.loads(records.dumps(info))
    ours, other = ({key: run.get(key) for key in IDENTITY} for run in (ours, theirs))
    different = configs.differences(ours, other)
    if different:
        raise UserError(
            f"{directory} belongs to another config: {different[0]};"
            " choose another --out, or the same settings"
        )
    return bool(theirs.get("finished"))


def _describe(setup: Setup, schedule: Schedule, seed: int, timeline: Timeline) -> dict:
    return {
        "config": configs.run_settings(setup.config),
        "schedule": schedule.to_json(),
        "seed": seed,
        "steps": timeline.steps,
        "data": {
            "train": len(setup.splits.train),
            "validation": len(setup.splits.validation),
            "classes": setup.splits.classes,
        },
        "precision": setup.precision,
        "costs": {str(shape): setup.cost(shape).to_json() for shape in timeline.costs},
        **environment(),
        "finished": False,
    }


def environment() -> dict:
    """Devices and package versions that a run's numbers depend on."""
    device = jax.devices()[0]
    return {
        "device": {"kind": device.device_kind, "platform": device.platform, "count": jax.device_count()},
        "versions": {"python": platform.python_version(), **{p: _version(p) for p in PACKAGES}},
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


class _Run:
    """The moving parts of a run: state, place in the data, and metrics not yet looked at."""

    def __init__(self, setup, timeline, seed, name, feed, checkpoints, evaluate, on_progress):
        self.setup, self.timeline, self.seed, self.name = setup, timeline, seed, name
        self.feed, self.checkpoints = feed, checkpoints
        self.evaluate, self.on_progress = evaluate, on_progress
        self.budget_flops = float(timeline.flops(timeline.steps))
        self.pending: deque = deque()
        self.wall_s = 0.0

    def go(self, metrics_path) -> None:
        spans, config = self.timeline.spans, self.setup.config
        self.metrics_path = metrics_path
        state = self.setup.new_state(spans[0].shape, self.seed)
        step, state = self.checkpoints.restore(state, self.feed)
        kept = records.keep_until(metrics_path, step)
        self.wall_s = kept[-1].wall_s if kept else 0.0
        for index, span in enumerate(spans):
            if step >= span.last:
                continue
            program = None
            self._start_clock()
            while step < span.last:
                arguments = (state, self.setup.dataset(), self._next_batch(), self._rate(step))
                if program is None:
                    program = self.setup.step(span.shape, *arguments)
                    self._start_clock()  # compilation is not training time
                state, metrics = program(*arguments)
                step += 1
                self._watch(step, span.shape, metrics)
                if step in self.timeline.evals:
                    self._stop_clock(span.shape)
                    self._record(step, span.shape, state)
                    if step == span.last and index + 1 < len(spans):
                        self._record(step, spans[index + 1].shape, state)  # what the switch itself does
                    self._start_clock()
                if step % config.checkpoint_steps == 0 or step == span.last:
                    self._stop_clock(span.shape)
                    # The step's own metrics were taken before its update.
                    self._check(span.shape, step, {"norm of the parameters": optax.global_norm(state.params)})
                    self.checkpoints.save(step, state, self.feed)
                    self._start_clock()

    def _next_batch(self):
        return meshes.split(self.setup.mesh, next(self.feed))

    def _rate(self, step: int):
        progress = float(self.timeline.flops(step)) / self.budget_flops
        rate = learning_rate(self.setup.config.optim, step, progress)
        return meshes.replicate(self.setup.mesh, np.float32(rate))

    def _start_clock(self) -> None:
        self.started, self.reported = time.perf_counter(), time.perf_counter()
        self.images_since = 0

    def _stop_clock(self, shape: Shape) -> None:
        """Wait for the steps under way and add their time to the run's."""
        while self.pending:
            self._check(shape, *self.pending.popleft())
        self.wall_s += time.perf_counter() - self.started
        self.started = time.perf_counter()

    def _watch(self, step: int, shape: Shape, metrics) -> None:
        self.pending.append((step, metrics))
        self.images_since += self.setup.config.batch_size
        if len(self.pending) > AHEAD:
            self._check(shape, *self.pending.popleft())
        now = time.perf_counter()
        if now - self.reported > 0.5:
            speed = self.images_since / (now - self.reported)
            spent = float(self.timeline.flops(step))
            self.on_progress(Progress(self.name, shape, spent, self.budget_flops, speed))
            self.reported, self.images_since = now, 0

    def _check(self, shape: Shape, step: int, metrics) -> None:
        for name, value in metrics.items():
            if not math.isfinite(value := float(value)):
                good = self.checkpoints.newest_step()
                last = f"the checkpoint of step {good} is good" if good else "no checkpoint was made before"
                raise UserError(
                    f"{self.name}: {name} is {value} at step {step} ({shape});"
                    f" lower optim.lr {self.setup.config.optim.lr:g} ({last})"
                )

    def _record(self, step: int, shape: Shape, state) -> None:
        timeline = self.timeline
        measured = {k: float(v) for k, v in self.evaluate(self.setup.predictor(shape, state)).items()}
        self._check(shape, step, measured)
        record = RunRecord(
            run=self.name,
            step=step,
            images=step * self.setup.config.batch_size,
            flops=float(timeline.flops(step)),
            flops_matmul=float(timeline.flops(step, matmul=True)),
            wall_s=round(self.wall_s, 3),
            **shape._asdict(),
            metrics=measured,
        )
        records.append(self.metrics_path, record)
