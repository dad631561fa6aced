"""What starts runs elsewhere: the scripts of launch/ say what they would do, and do it to stand-ins."""

import json
import os
import re
import shlex
import subprocess
import time
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from scalax.config import DataConfig
from scalax.data import pack

ROOT = Path(__file__).parents[1]
LAUNCH = ROOT / "launch"


def run(*command, **env) -> subprocess.CompletedProcess:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SLURM_")} | env
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=60)


def dry(script: str, *arguments: str, **env) -> list[list[str]]:
    """The commands that a dry run prints, in words."""
    done = run(str(LAUNCH / script), "--dry-run", *arguments, **env)
    assert done.returncode == 0, done.stderr
    return [
        shlex.split(line) for line in re.sub(r"\$('(?:[^'\\]|\\.)*')", unquoted, done.stdout).splitlines()
    ]


def unquoted(match: re.Match) -> str:
    """bash's $'...' as plain quotes, with line breaks as '; '."""
    return shlex.quote(match[1][1:-1].replace("\\n", "; ").replace("\\'", "'"))


def executable(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/usr/bin/env bash\n{text}")
    path.chmod(0o755)


def test_shell_files_pass_shellcheck(tmp_path):
    task = yaml.safe_load((LAUNCH / "sky.yaml").read_text())
    for part in ("setup", "run"):
        (tmp_path / part).write_text(task[part])
    scripts = [*map(str, LAUNCH.glob("*.sh")), str(ROOT / ".ci" / "run")]
    done = run("shellcheck", *scripts)
    assert done.returncode == 0, done.stdout
    # SC2086: ARGUMENTS are several words; SC2155: no exit code is looked for there
    done = run(
        "shellcheck", "-s", "bash", "-e", "SC2086,SC2155", str(tmp_path / "setup"), str(tmp_path / "run")
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", sorted(path.name for path in LAUNCH.iterdir() if path.suffix != ".md"))
def test_every_file_says_how_to_use_it(name):
    header = re.match(r"(#.*\n)+", (LAUNCH / name).read_text())
    assert header is not None
    assert re.search(
        rf"^#.*(launch/|sky jobs launch).*{re.escape(name.split('.')[0])}", header[0], re.MULTILINE
    )


def test_scripts_without_arguments_say_how(tmp_path):
    for name in ("slurm.sh", "tpu_vm.sh"):
        done = run(str(LAUNCH / name))
        assert done.returncode == 2
        assert f"launch/{name}" in done.stderr
        assert "#" not in done.stderr
        assert done.stderr.rstrip().endswith((".", "python."))


def test_slurm_dry_run():
    def printed(*arguments: str, **env) -> str:
        return run(str(LAUNCH / "slurm.sh"), "--dry-run", *arguments, **env).stdout.strip()

    one = "srun --wait=600 python -m scalax.launch configs/quickstart.py --out a\\ b"
    assert printed("configs/quickstart.py", "--out", "a b") == one
    worker = "srun --wait=600 --cpus-per-task=6 --ntasks=1 /v/python -m scalax.launch c.py"
    env = {"SLURM_ARRAY_TASK_ID": "3", "SLURM_CPUS_PER_TASK": "6", "PYTHON": "/v/python"}
    assert printed("c.py", **env) == worker


def test_tpu_dry_run_reaches_all_hosts():
    where = {"NAME": "me", "ZONE": "z", "TYPE": "v5litepod-16", "OUT": "gs://b/d"}
    tpu = ["gcloud", "compute", "tpus", "tpu-vm"]
    (create,) = dry("tpu_vm.sh", "create", "--spot", **where)
    wanted = ["create", "me", "--accelerator-type=v5litepod-16", "--version=v2-alpha-tpuv5-lite", "--spot"]
    assert create == [*tpu, *wanted, "--zone=z"]
    archive, copy, *install = dry("tpu_vm.sh", "install", **where)
    assert archive[:2] == ["git", "archive"]
    assert copy[4:5] == ["scp"]
    assert copy[6:] == ["me:scalax.tar.gz", "--worker=all", "--zone=z"]
    assert all(command[4:7] == ["ssh", "me", "--worker=all"] for command in install)
    assert "-c scalax/launch/constraints.txt -e 'scalax[tpu]'" in install[-1][7]
    (start,) = dry("tpu_vm.sh", "run", "configs/quickstart.py", "--seeds", "0 1", **where)
    assert start[4:7] == ["ssh", "me", "--worker=all"]
    assert "-m scalax.launch configs/quickstart.py --seeds 0\\\\ 1 --out gs://b/d" in start[7]
    (follow,) = dry("tpu_vm.sh", "follow", **where)
    assert follow[6] == "--worker=0"
    assert dry("tpu_vm.sh", "fetch", "here", **where) == [
        ["mkdir", "-p", "here"],
        ["gcloud", "storage", "rsync", "--recursive", "gs://b/d", "here"],
    ]
    assert dry("tpu_vm.sh", "delete", **where) == [[*tpu, "delete", "me", "--quiet", "--zone=z"]]
    after = run(str(LAUNCH / "tpu_vm.sh"), "follow", "--dry-run", **where)
    assert shlex.split(after.stdout) == follow
    assert run(str(LAUNCH / "tpu_vm.sh"), "follow", DRY_RUN="1", **where).stdout == after.stdout


GCLOUD = """
# gcloud of a slice of two hosts: directories w0 and w1 beside this file
cd "$(dirname "$0")" || exit
echo "$@" >>calls
verb=$4 command="" worker="" paths=()
for word in "${@:5}"; do
  case "$word" in
    --command=*) command=${word#--command=} ;;
    --worker=*) worker=${word#--worker=} ;;
    --*) ;;
    *) paths+=("$word") ;;
  esac
done
hosts=(w0 w1)
if [ "$worker" = 0 ]; then hosts=(w0); fi
case "$verb" in
  describe) [ -d w0 ] ;;
  create) mkdir w0 w1 ;;
  delete) rm -r w0 w1 ;;
  scp) cp "${hosts[0]}/${paths[0]#*:}" "${paths[1]}" ;;
  ssh) for host in "${hosts[@]}"; do (cd "$host" && bash -c "$command") & done; wait ;;
esac
"""
TRAINER = """
# stands for the venv's python: works until it is told to stop
trap 'echo saved >>../study/log; exit 75' TERM
mkdir -p ../study && echo "$@" >>../study/log
while :; do sleep 0.05; done
"""
SLEEP = """
# the five seconds that a run is given for its first lines are short here
if [ "$1" = 5 ]; then set -- 0.1; fi
command -p sleep "$@"
"""


def test_tpu_script_works_on_a_slice_and_is_safe_to_repeat(tmp_path):
    place = tmp_path / "cloud"
    executable(place / "gcloud", GCLOUD)
    executable(place / "sleep", SLEEP)
    path = f"{place}:{os.environ['PATH']}"

    def tpu(*arguments: str) -> str:
        done = run(str(LAUNCH / "tpu_vm.sh"), *arguments, PATH=path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    tpu("create")
    assert tpu("create") == "scalax exists already\n"
    for host in ("w0", "w1"):
        (place / host / "scalax").mkdir()
        executable(place / host / "venv" / "bin" / "python", TRAINER)
    tpu("run", "configs/quickstart.py", "--name", "a b")
    try:
        logs = [place / host / "study" / "log" for host in ("w0", "w1")]
        wait_until(lambda: all(log.exists() and log.read_text().endswith("\n") for log in logs))
        assert [log.read_text() for log in logs] == [
            "-m scalax.launch configs/quickstart.py --name a b --out ../study\n"
        ] * 2
        assert tpu("run", "configs/quickstart.py") == "runs already\n" * 2
    finally:
        tpu("stop")
    wait_until(lambda: all(log.read_text().endswith("saved\n") for log in logs))
    assert [log.read_text().count("scalax.launch") for log in logs] == [1, 1]
    for _ in range(2):
        tpu("fetch", str(tmp_path / "here"))
        assert (tmp_path / "here" / "log").read_text() == logs[0].read_text()
    # A number of a process that belongs to others by now is no run of ours, and they are left alone.
    other = subprocess.Popen(["sleep", "60"])
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        for content in (
            f"{other.pid}",
            f"{other.pid} {boot} 1",
            f"{other.pid} other-boot 1",
            "",
            "x y z",
            "1",
        ):
            for host in ("w0", "w1"):
                (place / host / "run.pid").write_text(f"{content}\n")
            assert tpu("stop") == "does not run\n" * 2
        assert other.poll() is None
        assert "runs already" not in tpu("run", "configs/quickstart.py")
        wait_until(lambda: all(log.read_text().count("scalax.launch") == 2 for log in logs))
        assert tpu("run", "configs/quickstart.py") == "runs already\n" * 2
    finally:
        other.kill()
        other.wait()
        tpu("stop")
    wait_until(lambda: all(log.read_text().count("saved") == 2 for log in logs))
    tpu("delete")
    assert tpu("delete") == "scalax does not exist\n"


def wait_until(condition, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize(("gpus", "nodes"), [("0", "1"), ("8", "1"), ("8", "2")])
def test_sky_task_starts_what_it_should(tmp_path, gpus, nodes):
    task = yaml.safe_load((LAUNCH / "sky.yaml").read_text())
    executable(
        tmp_path / "venv" / "bin" / "python", 'echo "$@"; env | grep -E "^SCALAX_(COORD|PROCESS)" | sort\n'
    )
    env = {"SKYPILOT_NUM_GPUS_PER_NODE": gpus, "SKYPILOT_NUM_NODES": nodes, "SKYPILOT_NODE_RANK": "1"}
    env |= {"SKYPILOT_NODE_IPS": "10.0.0.1\n10.0.0.2", "HOME": str(tmp_path), "ARGUMENTS": "--seeds 0 1"}
    done = run("bash", "-c", task["run"], **task["envs"] | {"BUCKET": "b"} | env)
    command, *variables = done.stdout.splitlines()
    assert command == "-m scalax.launch configs/quickstart.py --out /study/study --seeds 0 1"
    several = ["SCALAX_COORDINATOR=10.0.0.1:8476", "SCALAX_PROCESS=1", "SCALAX_PROCESSES=2"]
    assert variables == (several if nodes == "2" else [])
    assert task["resources"]["use_spot"]
    assert task["resources"]["job_recovery"]["recover_on_exit_codes"] == [75]


def test_constraints_pin_what_the_install_needs():
    lines = [line for line in (LAUNCH / "constraints.txt").read_text().splitlines() if line[0] != "#"]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9A-Za-z.]*", line) for line in lines)
    pinned = {canonical(name): version for name, _, version in (line.partition("==") for line in lines)}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [Requirement(r) for r in [*project["dependencies"], *extras["test"], *extras["trackers"]]]
    for requirement in wanted:
        if requirement.name != project["name"]:
            assert pinned[canonical(requirement.name)] in requirement.specifier, requirement
    assert not {"scalax", project["name"]} & pinned.keys()


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_gpu_study_wants_its_data(tmp_path):
    done = run(str(LAUNCH / "gpu_study.sh"), "--data", str(tmp_path / "none.npz"))
    assert done.returncode == 2
    assert "none.npz" in done.stderr
    assert "scalax pack" in done.stderr


@pytest.mark.slow
def test_the_gpu_study_at_toy_size(tmp_path):
    data, out = tmp_path / "digits.npz", tmp_path / "out"
    pack.pack(DataConfig(source="digits", image_size=16), data)
    toy = {"--data.image-size": "16", "--patches": "8 4", "--model.names": "V16-2", "--model.base-patch": "4"}
    toy |= {"--model.head-dim": "8", "--batch-size": "64", "--eval.batch-size": "128", "--seeds": "0"}
    toy |= {"--budget-flops": "2e9", "--optim.warmup-steps": "10"}
    overrides = [word for name, values in toy.items() for word in (name, *values.split())]
    command = [str(LAUNCH / "gpu_study.sh"), "--data", str(data), "--minutes", "1", "--out", str(out), "--"]
    toy_env = os.environ | {"SMALL": "1", "JAX_PLATFORMS": "cpu"}
    wanted = [*command, *overrides]
    for _ in range(2):  # the second finds all there
        done = subprocess.run(wanted, capture_output=True, text=True, cwd=ROOT, env=toy_env)
        assert done.returncode == 0, done.stderr
    names = ["rate", "vit_b16", "check", "members", "V256-6", "vit_b16_einsum"]
    found = {name: json.loads((out / f"{name}.json").read_text()) for name in names}
    assert found["check"]["differences"]["float32"] == 0
    assert found["members"]["members"] == 16
    assert (out / "study" / "report.html").exists()
    assert "images/s" not in done.stdout  # nothing is trained again
