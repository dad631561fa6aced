"""Ctrl-C and SIGTERM from the first line of a process on: what is done is saved, and no signal is lost."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# A process that listens, says so, and then does `body`; it ends by itself with 3.
LISTENS = """
from scalax import signals
signals.listen("toy")
import gc, os, sys, time, weakref
print("listens", flush=True)
{body}
sys.exit(3)
"""
# In the callback of a weak reference, Python prints an exception and goes on.
CALLBACK = """
class Thing: pass
while True:
    thing = Thing(); ref = weakref.ref(thing, lambda _: time.sleep(0.001)); del thing
"""
BLOCKED = """
import hashlib
hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
"""
HOLDS = """
signals.hold()
print("holds", flush=True)
while not signals.asked():
    time.sleep(0.01)
print("saves", flush=True)
time.sleep(SAVE_S)
signals.say()
os._exit(signals.exit_code())
"""


def start(body: str, says: str = "listens") -> subprocess.Popen:
    """The process, once it has said the word."""
    process = subprocess.Popen(
        [sys.executable, "-c", LISTENS.format(body=body)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    while process.stdout.readline() != f"{says}\n":
        assert process.poll() is None
    return process


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 75)])
@pytest.mark.parametrize(
    "body", [CALLBACK, BLOCKED, "time.sleep(300)"], ids=["callback", "blocked", "asleep"]
)
def test_without_work_the_process_ends_at_once(body, number, code):
    process = start(body)
    time.sleep(0.05)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert err.startswith("toy: stopped")
    assert err.count("\n") == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 75)])
def test_work_is_saved_first(number, code):
    process = start(HOLDS.replace("SAVE_S", "0.2"), "holds")
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, "saves\n")
    assert err.startswith("toy: stopped")


def test_a_second_ctrl_c_does_not_wait():
    process = start(HOLDS.replace("SAVE_S", "60"), "holds")
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    assert process.stdout.readline() == "saves\n"
    process.send_signal(signal.SIGTERM)  # a cluster may repeat it
    time.sleep(0.2)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130


def test_the_end_of_a_child_is_its_own():
    """A forked child that is ended tells its parent nothing; one that is started anew has no handlers."""
    body = """
import signal, subprocess
for number in (signal.SIGTERM, signal.SIGINT):
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, b"x")
        time.sleep(60)
        os._exit(0)
    os.read(reading, 1)
    os.kill(child, number)
    os.waitpid(child, 0)
new = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
new.terminate()
assert new.wait() == -signal.SIGTERM
assert not signals.asked()
"""
    process = start(body)
    process.communicate(timeout=60)
    assert process.returncode == 3


def test_nobody_need_read_what_is_said():
    """As where the program behind the pipe, `tee` say, was interrupted first."""
    process = start("time.sleep(60)")
    assert process.stderr is not None
    process.stderr.close()
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130


def test_a_file_half_written_is_removed(tmp_path):
    body = f"""
from pathlib import Path
from scalax.files import replacing
Path({str(tmp_path)!r}, "old").write_text("old")
with replacing(Path({str(tmp_path)!r}, "old")) as beside:
    beside.write_text("half")
    print("writes", flush=True)
    time.sleep(60)
"""
    process = start(body, "writes")
    assert len(list(tmp_path.iterdir())) == 2
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


LAUNCH = ["scalax.launch", "slow.py", "--out", "out"]
COMMANDS = [["scalax", "train", *LAUNCH[1:]], ["scalax", "--import", "slow.py", "fit", "--example"]]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("words", [LAUNCH, *COMMANDS], ids=" ".join)
def test_programs_listen_from_their_first_line_on(tmp_path, words, number):
    """A file that takes long to read, as JAX does."""
    slow = tmp_path / "slow.py"
    slow.write_text("import time\nprint('reads', flush=True)\ntime.sleep(60)\n")
    paths = {"slow.py": str(slow), "out": str(tmp_path / "out")}
    command = [sys.executable, "-m", *[paths.get(word, word) for word in words]]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=dict(os.environ)
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "reads\n"
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 75}[number]
    assert err.startswith(f"{words[0]}: stopped")
    assert err.count("\n") == 1
