"""Where commands write: addresses, files and places that cannot be made are refused before any work."""

import pytest

from scalax import cli, launch
from tests.rejects import check_line

ROWS = "model,flops,loss\n" + "".join(f"m,{10**k},{0.9**k:.6f}\n" for k in range(1, 9))
OF_CURVES = ["--x", "flops", "--y", "loss", "--by", "model"]
COMMANDS = {
    "fit": ["fit", "a.csv", *OF_CURVES],
    "forecast": ["forecast", "a.csv", *OF_CURVES, "--at", "1e20"],
    "exponents": ["exponents", "a.csv", *OF_CURVES],
    "limit": ["limit", "a.csv", *OF_CURVES],
    "speedup": ["speedup", "a.csv", "a.csv", *OF_CURVES],
    "speedup simulated": ["speedup", "--simulated"],
    "bench": ["bench", "a.csv", *OF_CURVES],
    "bench simulated": ["bench", "--simulated"],
    "allocate": ["allocate", "a.csv"],
    "transfer": ["transfer", "a.csv", "--upstream", "loss"],
    "transfer simulated": ["transfer", "--simulated"],
}
PLACES = {
    "gs://bucket/x": "gs://bucket/x",
    "foo://x": "foo://x",
    "a.csv": "a.csv",
    "a.csv/x": "a.csv/x",
    "/proc/nope": "/proc/nope",
}


@pytest.fixture(autouse=True)
def _nothing_is_written(tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_text(ROWS)
    monkeypatch.chdir(tmp_path)
    yield
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    assert (tmp_path / "a.csv").read_text() == ROWS


def status_of(main, words: list[str]) -> int:
    """argparse ends the process itself."""
    try:
        return main(words)
    except SystemExit as e:
        return e.code


def refused(capsys, main, words: list[str], *names: str) -> None:
    assert status_of(main, words) == 2
    printed = capsys.readouterr()
    assert not printed.out
    [line] = printed.err.splitlines()
    check_line(line, *names)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("command", COMMANDS)
def test_results(capsys, command, place):
    refused(capsys, cli.main, [*COMMANDS[command], "--out", place], "--out", place)


@pytest.mark.parametrize("place", ["/proc/nope/t.csv", "a.csv/t.csv", "foo://x/t.csv"])
def test_a_file_of_results(capsys, place):
    refused(capsys, cli.main, ["probe", ".", "--set", "x", "--out", place], "--out", place.rpartition("/")[0])
    packed = place.replace(".csv", ".npz") if "a.csv" not in place else "a.csv/t.npz"
    refused(capsys, cli.main, ["pack", packed, "--source", "digits"], packed.rpartition("/")[0])


def test_a_plan(capsys):
    refused(capsys, cli.main, ["plan", ".", "--out", "a.csv/p.json"], "--out a.csv", "is a file")
    refused(capsys, cli.main, ["plan", ".", "--out", "gs://b/p.json"], "--out", "gs://b/p.json")


@pytest.mark.parametrize("command", ["fit", "transfer"])
def test_tables_at_an_address(capsys, command):
    words = ["foo://a.csv" if word == "a.csv" else word for word in COMMANDS[command]]
    refused(capsys, cli.main, words, "foo://a.csv", "local path")


@pytest.mark.parametrize("address", ["foo://x", "s3://bucket/x"])
@pytest.mark.parametrize("config", ["own_images", "adaptive_patch", "sweep"])
def test_data_at_an_address(capsys, request, config, address):
    path = str(request.config.rootpath / "configs" / f"{config}.py")
    refused(capsys, launch.main, [path, "--data.dir", address], "data.dir", address, "gs://")
