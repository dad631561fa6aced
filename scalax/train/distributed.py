"""Several processes as one run: found from flags, SLURM or a TPU pod, before anything asks for devices."""

import importlib.util
import os
import re
import urllib.error
import urllib.request

import jax
from jax.experimental import multihost_utils

from scalax import signals
from scalax.errors import UserError

HOW = "give `coordinator` HOST:PORT, `processes` N and `process` I"
METADATA = "http://metadata.google.internal/computeMetadata/v1/instance/attributes/worker-network-endpoints"


def start(coordinator: str | None = None, processes: int | None = None, process: int | None = None) -> None:
    """Join the other processes of this run, if there are any; call it before the first use of a device.

    - coordinator: HOST:PORT of process 0.
    - processes: number of them.
    - process: number of this one, from 0.

    What is left out is read from SCALAX_COORDINATOR, SCALAX_PROCESSES and SCALAX_PROCESS. Without these, a
    SLURM step of more than one task and a TPU pod of more than one host are found from the environment; else
    this process is alone. Raises UserError where the three do not fit together, or the others cannot be
    reached.
    """
    coordinator = coordinator or os.environ.get("SCALAX_COORDINATOR")
    processes = _number("processes", processes)
    process = _number("process", process)
    if (coordinator, processes, process) != (None, None, None):
        _check(coordinator, processes, process)
        _initialize(
            coordinator_address=coordinator,
            num_processes=processes,
            process_id=process,
            cluster_detection_method="deactivate",
        )
    elif (_number_in("SLURM_STEP_NUM_TASKS") or 1) > 1:
        _initialize(cluster_detection_method="slurm", local_device_ids=_slurm_devices())
    elif _tpu_hosts() > 1:
        _initialize()


def is_primary() -> bool:
    """Whether this process is the one that writes."""
    return jax.process_index() == 0


def barrier(name: str) -> None:
    """Wait until all processes are here."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)


def _number(name: str, value: int | None) -> int | None:
    return _number_in(f"SCALAX_{name.upper()}") if value is None else value


def _number_in(variable: str) -> int | None:
    if variable not in os.environ:
        return None
    try:
        return int(os.environ[variable])
    except ValueError:
        raise UserError(f"{variable} must be a whole number, got {os.environ[variable]!r}") from None


def _check(coordinator: str | None, processes: int | None, process: int | None) -> None:
    values = {"coordinator": coordinator, "processes": processes, "process": process}
    missing = [f"`{name}`" for name, value in values.items() if value is None]
    if coordinator is None or processes is None or process is None:
        raise UserError(f"{' and '.join(missing)} missing for a run of several processes; {HOW}")
    if not re.fullmatch(r"\S+:\d+", coordinator):
        raise UserError(f"`coordinator` must be HOST:PORT, got {coordinator!r}")
    if processes < 1:
        raise UserError(f"`processes` must be at least 1, got {processes}")
    if not 0 <= process < processes:
        raise UserError(f"`process` must be in 0..{processes - 1} for {processes} processes, got {process}")


def _initialize(**arguments) -> None:
    try:
        jax.distributed.initialize(**arguments)
        # Processes connect at the first program that they share, and give up after half a minute: do it
        # now that all are here, not when one may still be compiling.
        barrier("start")
    except Exception as e:  # from a port in use to a host that never came, in whatever layer it shows
        reason = str(e).splitlines()[0] if str(e) else type(e).__name__
        raise UserError(f"cannot join the other processes ({reason}); check that all run, or {HOW}") from e
    signals.hold()  # from here on all end together, at a step (preempt)


def _slurm_devices() -> list[int] | None:
    """This task's devices among those that SLURM lets it see; None leaves it the one of its local number."""
    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    tasks = os.environ.get("SLURM_STEP_TASKS_PER_NODE", "")  # e.g. 1(x4), or 2,1
    alone = re.fullmatch(r"1(\(x\d+\))?(,1(\(x\d+\))?)*", tasks) is not None
    return list(range(len(visible))) if visible and (alone or len(visible) == 1) else None


def _tpu_hosts() -> int:
    """Hosts of the TPU slice that this process runs on; 1 where it runs on none."""
    if importlib.util.find_spec("libtpu") is None:
        return 1
    hosts = os.environ.get("TPU_PROCESS_ADDRESSES") or os.environ.get("TPU_WORKER_HOSTNAMES")
    if hosts is None and not os.environ.get("TPU_SKIP_MDS_QUERY"):  # jax sets it where there is no TPU
        request = urllib.request.Request(METADATA, headers={"Metadata-Flavor": "Google"})
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                hosts = answer.read().decode()
        except urllib.error.URLError:  # no such server, or it knows of no other workers
            hosts = None
    return len(hosts.split(",")) if hosts else 1
