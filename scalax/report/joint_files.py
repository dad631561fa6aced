"""What `scalax fit` leaves of laws of several variables: JSON, CSV and figures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scalax.laws.joint import JointFit, Runs
from scalax.names import file_names
from scalax.report import joint_figures
from scalax.report.law_files import write_csv, write_json


def write_fits(out: Path, parts: Mapping[str, Runs], fits: Mapping[str, Mapping[str, JointFit]]) -> None:
    """joint.json, joint.csv, and a figure of the law with the least error on runs left out, for each part.

    - out: directory to write to.
    - parts: rows that were fitted, by name.
    - fits: of each part, by law.
    """
    named = [(part, fit) for part, own in fits.items() for fit in own.values()]
    write_json(out / "joint.json", [{"fitted": part, **fit.to_json()} for part, fit in named])
    write_csv(out / "joint.csv", [_row(part, fit) for part, fit in named])
    for slug, part in zip(file_names(list(parts)), parts, strict=True):
        best = min(fits[part].values(), key=lambda fit: fit.rmsle_left_out)
        joint_figures.draw_fit(out / "figures" / f"{slug}.png", parts[part], best, part)


def _row(part: str, fit: JointFit) -> dict[str, Any]:
    row: dict[str, Any] = {"fitted": part, "law": fit.form.name, "rows": fit.rows, "runs": fit.runs}
    row |= {"rmsle": fit.rmsle, "rmsle_left_out": fit.rmsle_left_out}
    for name, value in fit.params.items():
        low, high = fit.intervals.get(name, ("", ""))
        row |= {name: value, f"{name}_low": low, f"{name}_high": high}
    return row
