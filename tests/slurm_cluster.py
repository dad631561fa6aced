"""A SLURM cluster of one node on loopback: its own munged, slurmctld and slurmd, all in one directory."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

PROGRAMS = ("munged", "mungekey", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "scancel", "squeue")

CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={place}/munge.socket,cred_expire=5
StateSaveLocation={place}/state
SlurmdSpoolDir={place}/spool
SlurmctldPidFile={place}/slurmctld.pid
SlurmdPidFile={place}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=10
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str:
    """Why no cluster can be started here, or nothing."""
    absent = [name for name in PROGRAMS if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") is None]
    if absent:
        return f"needs {', '.join(absent)} (Debian: apt-get install slurm-wlm munge)"
    return "" if os.geteuid() == 0 else "needs root, to start a SLURM cluster"


class Cluster:
    """A context in which sbatch and the rest, run with `env`, talk to this cluster."""

    def __init__(self, place: Path):
        self.place = place
        self.env = {**os.environ, "SLURM_CONF": str(place / "slurm.conf")}
        self.env["PATH"] += ":/usr/sbin"
        self._daemons: list[subprocess.Popen] = []

    def __enter__(self) -> "Cluster":
        for name in ("state", "spool"):
            (self.place / name).mkdir()
        self.place.chmod(0o755)
        values = {"host": socket.gethostname().split(".")[0], "place": self.place}
        values |= {"controller_port": free_port(), "node_port": free_port()}
        (self.place / "slurm.conf").write_text(CONF.format(**values))
        self.run("mungekey", "--create", f"--keyfile={self.place}/munge.key")
        named = {name: f"{self.place}/munge.{name}" for name in ("socket", "key", "log", "pid", "seed")}
        options = [f"--{'key-file' if name == 'key' else name}={path}" for name, path in named.items()]
        options = [o.replace("--log=", "--log-file=").replace("--pid=", "--pid-file=") for o in options]
        options = [o.replace("--seed=", "--seed-file=") for o in options]
        try:
            self._start("munged", "--foreground", "--force", *options)
            wait_for(lambda: (self.place / "munge.socket").exists(), 10)
            self._start("slurmctld", "-D")
            self._start("slurmd", "-D")
            wait_for(lambda: self.run("sinfo", "-h", "-o", "%T").strip() == "idle", 30)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        for daemon in reversed(self._daemons):
            daemon.terminate()
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()

    def run(self, *command: str, **options) -> str:
        """What the command prints; '' where it fails."""
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, **options)
        return done.stdout if done.returncode == 0 else ""

    def state(self, job: str) -> str:
        """PENDING, RUNNING, COMPLETED, CANCELLED ..., of all tasks of the job, each once, in order."""
        shown = self.run("scontrol", "--oneliner", "show", "job", job)
        states = {word.partition("=")[2] for word in shown.split() if word.startswith("JobState=")}
        return " ".join(sorted(states))

    def _start(self, program: str, *arguments: str) -> None:
        with open(self.place / f"{program}.out", "w") as out:
            command = [shutil.which(program, path=self.env["PATH"]) or program, *arguments]
            self._daemons.append(subprocess.Popen(command, env=self.env, stdout=out, stderr=out))


def wait_for(condition: Callable[[], object], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s in vain"
        time.sleep(0.1)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
