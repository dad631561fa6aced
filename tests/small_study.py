"""A small study as its directory has it: two finished static runs, one that failed, and one that waits."""

from pathlib import Path

from scalax import jobs, records, studies
from scalax.config import RunConfig
from scalax.schedule import Schedule, Shape, Stage
from scalax.studies import settled
from scalax.studies.protocol import Device
from scalax.studies.side_by_side import FinishedRun, RunsResult
from scalax.studies.sweep import SweepConfig

LARGE, SMALL = Shape(4, 16, 1), Shape(2, 16, 1)
KINDS = {  # of state files: where one is in the study
    "run": "runs/a/run.json",
    "records": "runs/a/metrics.jsonl",
    "failure": "runs/c/failure.json",
    "claim": "runs/c/.claim-1.json",
    "study": "study.json",
}


def config_of_study() -> SweepConfig:
    return SweepConfig()


def small_study(where: Path) -> Path:
    """Makes it at `where`, with the result of a sweep of its finished runs; returns `where`."""
    made = {}
    for name, shape in (("a", LARGE), ("b", SMALL), ("c", LARGE)):
        run = where / "runs" / name
        run.mkdir(parents=True)
        config = {"batch_size": 8, "optim": {"lr": 1e-3}, "eval": {"points": 9}}
        schedule = Schedule((Stage(shape, 9e9),))
        info = records.RunInfo(config, schedule, 0, {"validation": 100}, steps=9, finished=name != "c")
        records.write_info(run, info)
        for step in range(1, 10 if name != "c" else 4):
            values = {"val_error": (1.1 - shape.patch / 10) / step, "val_loss": 2 / step}
            line = records.RunRecord(name, step, 8 * step, 1e9 * step, 9e8 * step, 1.0, *shape[:3], values)
            records.append(run / "metrics.jsonl", line)
        if name != "c":
            made[name] = FinishedRun(schedule, records.read_run(run).records, {"idle_s": 0.1})
    with jobs.claim(where / "runs" / "c"):
        pass
    jobs.note_failure(where / "runs" / "c", "no luck")
    (where / "runs" / "d").mkdir()
    config = {"name": "sweep", "run": {"batch_size": RunConfig().batch_size}}
    device = Device("cpu", "cpu", 1, 1)
    result = RunsResult("sweep", "val_error", config, device, {"jax": "0"}, made)
    studies.save(studies.get("sweep"), result, where)
    settled.keep(config_of_study(), where)
    return where
