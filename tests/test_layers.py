"""Imports point down: a module imports only from a lower layer, or from its own package."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1] / "scalax"
LAYERS = [
    ["names"],
    ["errors", "units", "distribution", "hardware", "compilation", "signals"],
    ["process"],
    ["files"],
    ["untrusted"],
    ["registry", "typed", "pyfile", "places", "terminal", "variants", "archive"],
    ["schedule"],
    ["bounds"],
    ["model_config"],
    ["metrics"],
    ["records"],
    ["config"],
    ["jobs", "settings"],
    ["laws", "models", "data"],
    ["cost", "morph", "plan", "tasks", "transfer"],
    ["evals", "probes", "unused"],
    ["train"],
    ["report", "throughput"],
    ["studies"],
    ["overrides"],
    ["launch"],
    ["cli"],
    ["__main__"],
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
NEVER = {name: {"flax", "optax", "orbax", "grain"} for name in ("laws", "plan", "transfer")}


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_imports_point_down():
    wrong = []
    for path in ROOT.rglob("*.py"):
        home = path.relative_to(ROOT).with_suffix("").parts[0]
        if home == "__init__":
            continue
        for name in imports_of(path):
            parts = name.split(".")
            if parts[0] in NEVER.get(home, ()):
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
            if parts[0] != "scalax" or len(parts) < 2 or parts[1] in {home, "__version__"}:
                continue
            if LEVEL[parts[1]] >= LEVEL[home]:
                wrong.append(f"{path.relative_to(ROOT)} (layer {LEVEL[home]}) imports {name}")
    assert not wrong, "\n".join(wrong)


def test_every_module_has_a_layer():
    homes = {path.stem for path in ROOT.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert homes - {"__init__", "__pycache__"} <= set(LEVEL)


def test_top_level_holds_what_the_design_names():
    named = {"pyproject.toml", "README.md", "LICENSE", "scalax", "configs", "tests", "launch", "colab"}
    present = {path.name for path in ROOT.parent.iterdir() if not path.name.startswith(".")}
    assert named <= present
    assert not {name for name in present - named if not name.endswith((".egg-info", "runs"))}
