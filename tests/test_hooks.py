"""Hooks: what TensorBoard, W&B and the profiler are told comes back from the files they leave."""

import gzip
import json
import struct
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from scalax import train
from scalax.records import RunInfo, RunRecord
from scalax.report.progress import Display
from scalax.schedule import Schedule, Shape, Stage
from scalax.train import trackers
from scalax.train.monitors import monitors
from scalax.train.profile import Profile
from tests.rejects import rejects

INFO = RunInfo({"optim": {"lr": 0.001}}, Schedule((Stage(Shape(4, 16, 1), 1e9),)), 3, {})


def record(step: int, run: str = "a") -> RunRecord:
    metrics = {"val_error": 1 / step}
    return RunRecord(run, step, 8 * step, 1e9 * step, 9e8 * step, 0.1 * step, 4, 16, 1, metrics)


def progress(step: int, run: str = "a") -> train.Progress:
    return train.Progress(run, step, Shape(4, 16, 1), 1e9 * step, 4e9, 250.0, 5e10)


def play(hook: train.Hook, directory: Path, steps: range, runs=("a",)) -> None:
    """What the loop calls, for runs side by side."""
    for run in runs:
        (directory / run).mkdir(exist_ok=True, parents=True)
        hook.start(run, directory / run, INFO)
    for step in steps:
        for run in runs:
            hook.step(run, step)
            hook.progress(progress(step + 1, run))
            hook.record(record(step + 1, run))
    for run in runs:
        hook.end(run)


def events_of(directory: Path) -> list:
    """All events of TensorBoard's files, in the order written: length, checksum, event, checksum."""
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for path in sorted(directory.glob("events.*"), key=lambda path: path.stat().st_mtime_ns):
        data, place = path.read_bytes(), 0
        while place < len(data):
            (length,) = struct.unpack_from("<Q", data, place)
            found.append(Event.FromString(data[place + 12 : place + 12 + length]))
            place += length + 16
    return found


def scalars_of(events: list) -> dict[str, list[tuple[int, float]]]:
    found: dict[str, list[tuple[int, float]]] = {}
    for event in events:
        for value in event.summary.value:
            found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found


def test_tensorboard_events_come_back(tmp_path):
    play(trackers.TensorBoard(tmp_path), tmp_path, range(3), runs=("a", "b"))
    for run in "ab":
        scalars = scalars_of(events_of(tmp_path / "tensorboard" / run))
        assert scalars["val_error"] == [(1, 1.0), (2, 0.5), (3, pytest.approx(1 / 3))]
        assert [value for _, value in scalars["flops"]] == [1e9, 2e9, 3e9]
        assert scalars["speed/images_per_s"][-1] == (3, 250.0)
        assert scalars["shape/patch"][0] == (1, 4.0)


def test_tensorboard_hides_what_a_resumed_run_writes_again(tmp_path):
    play(trackers.TensorBoard(tmp_path), tmp_path, range(3))
    play(trackers.TensorBoard(tmp_path), tmp_path, range(2, 4))
    restarts = [e.step for e in events_of(tmp_path / "tensorboard" / "a") if e.HasField("session_log")]
    assert restarts == [3]  # TensorBoard drops what was written before with step 3 or more


def test_wandb_offline_comes_back_and_goes_on_under_its_id(tmp_path, monkeypatch):
    import wandb

    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "settings"))
    play(trackers.Wandb(tmp_path), tmp_path, range(2), runs=("a", "b"))
    wandb.teardown()  # as if the process had ended
    time.sleep(1)  # wandb calls its directories by the second
    play(trackers.Wandb(tmp_path), tmp_path, range(2, 3))
    wandb.teardown()  # its writer is a process of its own, which may end later than the run
    first, other = (wandb_files(tmp_path, (tmp_path / run / "wandb_id").read_text()) for run in "ab")
    assert len(first) == 2
    assert len(other) == 1
    history = [row for path in first for row in wandb_history(path)]
    assert [(r["step"], r["val_error"]) for r in history if "val_error" in r] == [
        (1, 1),
        (2, 0.5),
        (3, 1 / 3),
    ]
    assert {row["speed/flops_per_s"] for row in history if "val_error" not in row} == {5e10}


def test_wandb_without_a_login_is_one_line(tmp_path, monkeypatch):
    import wandb

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    wandb.teardown()  # it reads the environment once
    with rejects("`wandb`", "WANDB_MODE=offline"):
        trackers.Wandb(tmp_path).start("a", tmp_path, INFO)


def wandb_files(out: Path, run_id: str) -> list[Path]:
    return sorted(out.glob(f"wandb/offline-run-*/run-{run_id}.wandb"))


def wandb_history(path: Path) -> list[dict]:
    """The rows logged to a .wandb file, in LevelDB's log format (blocks of 32 KiB; a record's parts have a
    header of checksum, length and whether the record ends here) after 7 bytes of magic."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, place, record, rows = path.read_bytes(), 7, b"", []
    while place + 7 <= len(data):
        if 32768 - place % 32768 < 7:
            place += 32768 - place % 32768
        _, length, kind = struct.unpack_from("<IHB", data, place)
        record += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # a full record, or its last part
            found = Record.FromString(record)
            if found.HasField("history"):
                items = {item.key or "/".join(item.nested_key): item for item in found.history.item}
                rows.append({key: json.loads(item.value_json) for key, item in items.items()})
            record = b""
    return rows


def test_missing_tracker_names_the_pip_command(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for option in ("tensorboard", "wandb"):
        with rejects(f"`{option}`", "pip install 'scalax-laws[trackers]'"):
            monitors(tmp_path, **{option: True})


def test_trackers_want_a_local_directory():
    for options in ({"profile": "1:2"}, {"tensorboard": True}, {"wandb": True}):
        with rejects(f"`{next(iter(options))}`", "gs://bucket/study"):
            monitors("gs://bucket/study", **options)


def test_options_give_their_hooks(tmp_path):
    assert monitors(tmp_path) == []
    found = monitors(tmp_path, profile="3:5", tensorboard=True, wandb=True)
    assert [type(hook).__name__ for hook in found] == ["Profile", "TensorBoard", "Wandb"]


def test_profile_traces_the_steps_of_one_run(tmp_path):
    hook = Profile("2:4", tmp_path)
    double, x = jax.jit(lambda x: 2 * x), jnp.ones(8)
    for run in ("a", "b"):
        for step in range(6):
            hook.step(run, step)
            with jax.profiler.TraceAnnotation(f"{run}{step}"):
                x = double(x)
        hook.end(run)
    (trace,) = tmp_path.glob("profile/plugins/profile/*/*.trace.json.gz")
    names = {event.get("name") for event in json.loads(gzip.decompress(trace.read_bytes()))["traceEvents"]}
    assert {"a2", "a3"} <= names
    assert not {"a1", "a4", "b2", "b3"} & names


def test_profile_ends_with_its_run(tmp_path):
    hook = Profile("1:100", tmp_path)
    for step in range(3):
        hook.step("a", step)
    hook.end("a")
    assert list(tmp_path.glob("profile/plugins/profile/*/*.xplane.pb"))


@pytest.mark.parametrize("text", ["5", "5:5", "6:5", "-1:5", "a:b", "1:2:3", ":4"])
def test_bad_profile_is_one_line(tmp_path, text):
    with rejects(f"`profile` {text}", "START:STOP"):
        monitors(tmp_path, profile=text)


def test_display_is_a_hook(capsys, monkeypatch):
    monkeypatch.setattr("scalax.report.progress.PLAIN_EVERY_S", -1.0)
    with Display() as display:
        display.expect(4e9)
        display.start("a", None, {})
        display.progress(progress(1))
        display.progress(progress(2))
        display.end("a")
    printed = capsys.readouterr().err.splitlines()
    assert printed[1].startswith(" 50% a V16-1/4: 2 GFLOP of 4 GFLOP, 250 images/s")


def test_runs_that_train_together_are_shown_with_all_that_they_spent(capsys, monkeypatch):
    monkeypatch.setattr("scalax.report.progress.PLAIN_EVERY_S", -1.0)
    with Display() as display:
        display.expect(12e9)
        for step in (1, 2):
            for rest, run in ((2, "a"), (1, "b"), (0, "c")):
                display.progress(progress(step, run)._replace(rest=rest))
    shares = [line.split()[0] for line in capsys.readouterr().err.splitlines()]
    assert shares == ["25%", "50%"]
