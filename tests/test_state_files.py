"""State files that anything may have happened to: no traceback, one line, exit code 2, others as they are.

Real files of a small study are damaged in ways that are drawn; `-m slow` draws many more.
"""

import copy
import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scalax import cli, jobs, records, studies
from scalax.errors import UserError
from scalax.schedule import Schedule, Shape, Stage
from tests.rejects import check_line, rejects

LARGE, SMALL = Shape(4, 16, 1), Shape(2, 16, 1)
KINDS = {  # of state files: where one is in the study
    "run": "runs/a/run.json",
    "records": "runs/a/metrics.jsonl",
    "failure": "runs/c/failure.json",
    "claim": "runs/c/.claim-1.json",
    "study": "study.json",
}
ODD = [None, True, False, 0, -1, 1.5, 2**63, -(2**70), 10**400, 1e308, "", "x", "1", "../../x", "/etc/passwd"]
ODD += ["\x1b[2J", "a\nb", "\u202e", "\ud800", "x" * 5000, [], {}, [[]], {"": {}}, [None] * 100]


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """Two finished static runs, one that failed and one that waits; and the result of a sweep of them."""
    from scalax.config import RunConfig
    from scalax.studies.protocol import Device
    from scalax.studies.side_by_side import FinishedRun, RunsResult

    where = tmp_path_factory.mktemp("state") / "study"
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
    return where


def places(data, path=()) -> list[tuple]:
    """Of every value inside JSON data."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(place for key, value in items for place in places(value, (*path, key)))]


def changed(data, place: tuple, value, remove: bool):
    """The data with another value at a place, or without it."""
    if not place:
        return value
    data = copy.deepcopy(data)
    inside = data
    for key in place[:-1]:
        inside = inside[key]
    if remove:
        del inside[place[-1]]
    else:
        inside[place[-1]] = value
    return data


@st.composite
def damages(draw, raw: bytes) -> bytes:
    """A file that something happened to."""
    how = draw(st.sampled_from(["value", "value", "value", "remove", "cut", "byte", "deep", "all", "line"]))
    if how == "cut":
        return raw[: draw(st.integers(0, len(raw) - 1))]
    if how == "byte":
        at = draw(st.integers(0, len(raw) - 1))
        return raw[:at] + draw(st.binary(min_size=1, max_size=4)) + raw[at + 1 :]
    if how == "deep":
        depth = draw(st.sampled_from([70, 990, 100_000]))
        return b'{"a":' * depth + b"1" + b"}" * depth if draw(st.booleans()) else b"[" * depth
    if how == "all":
        return draw(
            st.sampled_from(
                [b"", b"\n", b"null", b"[]", b"5", b"{}", b"\xff\xfe", b"\0" * 99, b'"x"', b"NaN"]
            )
        )
    lines = raw.splitlines(keepends=True)
    if how == "line":
        i, j = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
        return b"".join(
            draw(st.sampled_from([lines[:i] + lines[i + 1 :], [*lines[:i], lines[j], *lines[i:]]]))
        )
    try:
        texts, at = [raw], 0
        data = json.loads(raw)
    except ValueError:  # a line each
        texts, at = lines, draw(st.integers(0, len(lines) - 1))
        data = json.loads(lines[at])
    place = draw(st.sampled_from(places(data)))
    new = json.dumps(changed(data, place, draw(st.sampled_from(ODD)), how == "remove")).encode() + b"\n"
    return b"".join([*texts[:at], new, *texts[at + 1 :]])


def everything(where: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(where.rglob("*")) if p.is_file()}


def check_commands(study: Path, tmp_path: Path, capsys, kind: str, raw: bytes) -> None:
    place = tmp_path / "place"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(study, place / "study")
    victim = place / "study" / KINDS[kind]
    victim.write_bytes(raw)
    before = everything(place)
    commands = {
        "records": ("status", "plan"),
        "run": ("status", "plan"),
        "study": ("report",),
        "failure": ("status",),
        "claim": ("status",),
    }
    for command in commands[kind]:
        more = ["--out", str(place / "out" / "plan.json"), "--resamples", "0"] if command == "plan" else []
        code = cli.main([command, str(place / "study"), *more])
        printed = capsys.readouterr()
        if command == "status":
            rows = printed.out.splitlines()
            damaged = any(row.split()[1:2] == ["damaged"] for row in rows[1:5])
            assert code == (2 if damaged else 0), printed.err
            assert rows[2].split()[:2] == ["b", "finished"]  # the others as they are
            assert rows[4].split()[:2] == ["d", "waiting"]
        elif code:
            assert code == 2
            assert printed.err.count("\n") == 1
            check_line(printed.err[:-1])
    after = everything(place)
    assert {path: text for path, text in after.items() if path in before and "report" not in path} == {
        path: text for path, text in before.items() if "report" not in path
    }
    wrote = [Path(path).relative_to(place).parts for path in after.keys() - before.keys()]
    assert all(
        parts[0] == "out" or parts[:2] in (("study", "figures"), ("study", "report.html")) for parts in wrote
    )


@pytest.fixture
def drawn(study, tmp_path, capsys):
    """Draws damages to a kind of file, and runs the commands that read it."""

    def check(kind: str, cases: int) -> None:
        raw = (study / KINDS[kind]).read_bytes()

        @settings(
            max_examples=cases, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
        )
        @given(damages(raw))
        def each(damaged):
            check_commands(study, tmp_path, capsys, kind, damaged)

        each()

    return check


@pytest.mark.parametrize("kind", KINDS)
def test_commands_survive_damaged_files(drawn, kind):
    drawn(kind, 8)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_commands_survive_many_damaged_files(drawn, kind):
    drawn(kind, 600)


READERS = {
    "run": lambda path: records.read_info(path.parent),
    "records": lambda path: records.read_run(path.parent),
    "failure": lambda path: jobs.failure(path.parent),
    "claim": lambda path: jobs.holder(path.parent),
    "study": lambda path: studies.load(path.parent),
}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_readers_read_or_refuse(study, tmp_path_factory, kind, data):
    """Only UserError, in one line, whatever is in the file."""
    raw = (study / KINDS[kind]).read_bytes()
    place = tmp_path_factory.getbasetemp() / f"readers-{kind}"
    if not place.exists():
        shutil.copytree(study, place)
    path = place / KINDS[kind]
    path.write_bytes(data.draw(damages(raw)))
    try:
        READERS[kind](path)
    except UserError as e:
        check_line(str(e))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_hangs_nobody(study, tmp_path, kind, capsys):
    """A pipe, which nobody writes to, in place of each file; a folder; a link to itself."""
    shutil.copytree(study, tmp_path / "study")
    path = tmp_path / "study" / KINDS[kind]
    for make in (os.mkfifo, os.mkdir, lambda path: os.symlink(path, path)):
        path.unlink() if path.is_file() else None
        make(path)
        gone = kind == "run" and path.is_symlink()  # then the run counts as one that was stopped
        damaged = kind in ("run", "records") and not gone
        assert cli.main(["status", str(tmp_path / "study")]) == (2 if damaged else 0)
        code = 2 if damaged or kind == "study" else 0
        assert cli.main(["report", str(tmp_path / "study")]) == code
        if kind in ("run", "records"):
            with rejects(path):
                READERS[kind](path)
        path.rmdir() if path.is_dir() else path.unlink()
        capsys.readouterr()


def test_a_newer_version_is_refused_and_an_older_one_read(study, tmp_path):
    shutil.copytree(study, tmp_path / "study")
    path = tmp_path / "study" / "runs" / "a" / "run.json"
    info = json.loads(path.read_text())
    path.write_text(json.dumps({**info, "version": 999}))
    with rejects(path, 999):
        records.read_info(path.parent)
    del info["version"]
    path.write_text(json.dumps(info))
    assert records.read_info(path.parent).version == 1


def test_damaged_runs_are_said_to_be(study, tmp_path, capsys):
    shutil.copytree(study, tmp_path / "study")
    (tmp_path / "study" / "runs" / "a" / "metrics.jsonl").unlink()
    (tmp_path / "study" / "runs" / "b" / "run.json").write_text("[]")
    assert cli.main(["status", str(tmp_path / "study"), "--json"]) == 2
    found = {run["run"]: run for run in json.loads(capsys.readouterr().out)["runs"]}
    assert [found[name]["state"] for name in "abcd"] == ["damaged", "damaged", "failed", "waiting"]
    check_line(found["a"]["problem"], tmp_path / "study" / "runs" / "a" / "metrics.jsonl")
    check_line(found["b"]["problem"], tmp_path / "study" / "runs" / "b" / "run.json")
    assert cli.main(["report", str(tmp_path / "study")]) == 2
    printed = capsys.readouterr()
    assert printed.out  # the report all the same
    lines = printed.err.splitlines()
    assert len(lines) == 2
    for line, name in zip(lines, "ab", strict=True):
        check_line(line, f"run {name} is damaged", found[name]["problem"])
