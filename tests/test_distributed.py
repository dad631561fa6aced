"""Which processes a run is found to have: flags, variables, SLURM, TPU pods, and what is rejected."""

import importlib.util
import io
import urllib.error

import jax
import pytest

from scalax.train import distributed
from tests.rejects import rejects

SLURM = {"SLURM_STEP_NUM_TASKS": "4", "SLURM_STEP_TASKS_PER_NODE": "2(x2)"}
ALONE = {"SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_TASKS_PER_NODE": "1(x2)"}
EXPLICIT = {
    "coordinator_address": "host:1234",
    "num_processes": 4,
    "process_id": 3,
    "cluster_detection_method": "deactivate",
}
TPU = ("TPU_WORKER_HOSTNAMES", "TPU_PROCESS_ADDRESSES", "TPU_SKIP_MDS_QUERY")
FLAGS = {"SCALAX_COORDINATOR": "host:1234", "SCALAX_PROCESSES": "4", "SCALAX_PROCESS": "3"}


def slurm(devices):
    return {"cluster_detection_method": "slurm", "local_device_ids": devices}


@pytest.fixture
def joined(monkeypatch):
    """The arguments of each call of jax.distributed.initialize, which does nothing."""
    calls = []
    monkeypatch.setattr(jax.distributed, "initialize", lambda **arguments: calls.append(arguments))
    for name in (*SLURM, *FLAGS, "CUDA_VISIBLE_DEVICES", *TPU):
        monkeypatch.delenv(name, raising=False)
    return calls


@pytest.mark.parametrize(
    ("environment", "arguments", "expected"),
    [
        ({}, (), []),
        ({}, ("host:1234", 4, 3), [EXPLICIT]),
        (FLAGS, (), [EXPLICIT]),
        (FLAGS | SLURM, (None, None, 1), [EXPLICIT | {"process_id": 1}]),
        (SLURM, (), [slurm(None)]),
        (SLURM | {"SLURM_STEP_NUM_TASKS": "1"}, (), []),
        (SLURM | {"CUDA_VISIBLE_DEVICES": "0,1"}, (), [slurm(None)]),  # jax takes one by the local number
        (SLURM | {"CUDA_VISIBLE_DEVICES": "1"}, (), [slurm([0])]),  # SLURM has bound one to each task
        (ALONE | {"CUDA_VISIBLE_DEVICES": "0,1,2,3"}, (), [slurm([0, 1, 2, 3])]),  # a task has its whole node
    ],
)
def test_processes_are_found(joined, monkeypatch, environment, arguments, expected):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    distributed.start(*arguments)
    assert joined == expected


@pytest.mark.parametrize(("hosts", "found"), [("a", 0), ("a,b", 1)])
@pytest.mark.parametrize("by_metadata", [False, True])
def test_tpu_pods_are_found(joined, monkeypatch, hosts, found, by_metadata):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name == "libtpu")
    monkeypatch.setattr("urllib.request.urlopen", lambda *a, **k: io.BytesIO(hosts.encode()))
    if not by_metadata:
        monkeypatch.setenv("TPU_WORKER_HOSTNAMES", hosts)
    distributed.start()
    assert joined == [{}] * found


def test_a_tpu_without_metadata_is_alone(joined, monkeypatch):
    def unreachable(*arguments, **keywords):
        raise urllib.error.URLError("no such host")

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name == "libtpu")
    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    distributed.start()
    assert joined == []


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ((None, 2, 0), ["`coordinator`", "HOST:PORT"]),
        (("host:1", None, None), ["`processes`", "`process`"]),
        (("host", 2, 0), ["`coordinator`", "HOST:PORT", "'host'"]),
        (("host:1", 0, 0), ["`processes`", 1, 0]),
        (("host:1", 2, 2), ["`process`", "0..1", 2]),
    ],
)
def test_what_does_not_fit_together_is_one_line(joined, arguments, names):
    with rejects(*names):
        distributed.start(*arguments)
    assert not joined


def test_variables_and_failures_are_one_line(joined, monkeypatch):
    monkeypatch.setenv("SCALAX_PROCESS", "first")
    with rejects("SCALAX_PROCESS", "'first'"):
        distributed.start("host:1", 2)

    def fail(**arguments):
        raise RuntimeError("DEADLINE_EXCEEDED: no one came\nmore")

    monkeypatch.setattr(jax.distributed, "initialize", fail)
    with rejects("DEADLINE_EXCEEDED: no one came"):
        distributed.start("host:1", 2, 0)
