"""Fit scaling laws to learning curves by least squares and say how well each does."""

import argparse

from scalax.report.law_files import add_curve_arguments

HELP = "fit scaling laws to learning curves"


def configure(parser: argparse.ArgumentParser) -> None:
    add_curve_arguments(parser, "runs/fit")
    parser.add_argument("--laws", default="m1,m2,m3,m4,bnsl", help="families, e.g. m4,bnsl2,shifted_power")
    parser.add_argument("--objective", default="sle", help="sle (squared log error), huber, excess or sle1p")


def run(args: argparse.Namespace) -> None:
    from scalax import laws
    from scalax.report import law_files

    curves = law_files.curves_of(args)
    families = [name for name in args.laws.split(",") if name]
    with law_files.LateBar("fitting", len(curves) * len(families)) as bar:
        fits = laws.fit(curves, families, objective=args.objective, progress=bar.update)
    rows, data, notes, title = [], [], {}, f"{len(curves)} curve(s), squared log error"
    for curve, each in zip(curves, fits, strict=True):
        notes[curve.name] = list(next(iter(each.values())).notes)
        for name, f in each.items():
            scores = {"rmsle": f.rmsle, "rsle": f.rsle, "rmsle_held_out": f.rmsle_held_out}
            scores |= {"rsle_held_out": f.rsle_held_out, "limit": f.asymptote}
            rows.append({"curve": curve.name, "law": name, **scores, "params": f.params})
            notes[f"{curve.name}, {name}"] = list(f.flags)
            data.append(
                {
                    "curve": curve.name,
                    "law": name,
                    "formula": f.family_spec.formula,
                    "source": f.family_spec.source,
                    "params": f.params,
                    "stderr": f.stderr,
                    **scores,
                    "converged": f.converged,
                    "flags": list(f.flags),
                    "notes": list(f.notes),
                    "diagnostics": f.diagnostics,
                }
            )
    args.out.mkdir(parents=True, exist_ok=True)
    law_files.write_json(args.out / "fit.json", data)
    flat = [
        {k: v for k, v in row.items() if k != "params"}
        | {f"param {i}": f"{k}={v:.8g}" for i, (k, v) in enumerate(row["params"].items(), 1)}
        for row in rows
    ]
    law_files.write_csv(args.out / "fit.csv", flat)
    _figures(args.out / "figures", curves, fits)
    title = title if args.objective == "sle" else f"{len(curves)} curve(s), objective {args.objective}"
    shown = [
        [
            *(r[key] for key in ("curve", "law", "rmsle", "rmsle_held_out", "limit")),
            ", ".join(f"{k}={v:.4g}" for k, v in r["params"].items()),
        ]
        for r in rows
    ]
    law_files.print_table(title, ["curve", "law", "RMSLE", "held out", "limit", "parameters"], shown)
    law_files.print_notes({k: v for k, v in notes.items() if v})
    print(f"wrote {args.out}/fit.json, fit.csv and figures/")


def _figures(where, curves, fits) -> None:
    from scalax.report import law_figures, law_files

    for slug, curve, each in zip(law_files.slugs([c.name for c in curves]), curves, fits, strict=True):
        if curve.x.ndim == 1:
            law_figures.draw_fits(curve, each, where / f"{slug}.png")
            for name, f in each.items():
                if name.startswith("bnsl"):
                    law_figures.draw_parts(curve, f, where / f"{slug}-{name}.png")
