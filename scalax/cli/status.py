"""Tell what each run of a study is doing, how far it is, how fast, and what failed."""

import argparse
from collections import Counter

from scalax.names import printable
from scalax.places import existing

HELP = "what each run of a study is doing"
COLUMNS = (
    *("run", "state", "done", "spent", "budget", "shape", "examples/s", "speed", "last evaluation", "seen"),
)
LEFT = {"run", "state", "shape", "last evaluation"}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", help="where the study is, e.g. runs/quickstart, or one run's directory")
    parser.add_argument(
        "--json", action="store_true", help="print JSON in FLOPs and seconds; null is unknown"
    )


def run(args: argparse.Namespace) -> int:
    """The exit code: 2 where a run is damaged."""
    from scalax import records, studies
    from scalax.jobs import status

    existing(args.directory, "directory")
    found = status.survey(args.directory, studies.run_directories())
    code = 2 if any(each.state == "damaged" for each in found) else 0
    if args.json:
        runs = [{**each._asdict(), "share": each.share} for each in found]
        print(records.dumps({"directory": str(args.directory), "runs": runs}, indent=1))
        return code
    for line in aligned([COLUMNS, *map(_row, found)]):
        print(line)
    count = Counter(each.state for each in found)
    states = ", ".join(f"{count[state]} {state}" for state in status.STATES if count[state])
    print(f"\n{len(found)} run{'s' * (len(found) > 1)}: {states}")
    for each in found:
        if each.problem:
            print(printable(f"{each.run}: {each.problem}"))
    return code


def aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """Columns two spaces apart, as wide as their widest cell; numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = zip(row, widths, COLUMNS, strict=True)
        lines.append("  ".join(c.ljust(w) if name in LEFT else c.rjust(w) for c, w, name in cells).rstrip())
    return lines


def _row(status) -> tuple[str, ...]:
    from scalax.units import flops_text, scaled, seconds_text

    metrics = sorted(status.metrics.items(), key=lambda item: (not item[0].endswith("error"), item[0]))
    process = f", {status.pid}" if status.pid else ""
    where = printable(f" on {status.host}{process}") if status.host else ""
    return (
        printable(status.run),
        f"{status.state}{where}",
        "–" if status.share is None else f"{status.share:.0%}",
        flops_text(_number(status.flops)),
        flops_text(_number(status.budget_flops)),
        printable(status.shape or "–"),
        "–" if status.examples_per_s is None else f"{status.examples_per_s:,.0f}",
        scaled(_number(status.flops_per_s), "FLOP/s"),
        printable(", ".join(f"{name} {_number(value):.3g}" for name, value in metrics[:2]) or "–"),
        "–" if status.age_s is None else f"{seconds_text(status.age_s)} ago",
    )


def _number(value: float | None) -> float:
    """nan, which units show as a dash, for what is not known."""
    return float("nan") if value is None else value
