"""One of each from outside the package: a data kind, a task, a family of models, an evaluation, a law and a
study, in one file. Registered when the file is read; `config()` makes it a config of scalax.launch.

    python -m scalax.launch tests/outside.py --out DIR

The study asks how the brightness of bars is learnt: a regression, by a small network that grows in width.
"""

import dataclasses
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from scalax import data, laws, metrics, models, studies, tasks
from scalax.config import DataConfig, EvalConfig, ModelConfig, RunConfig
from scalax.evals.protocol import settings_of

# --- a data kind: bars of random brightness, which is what is to be said of them ---


def open_bars(config: DataConfig, split: str) -> data.Source:
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 256, 96).astype(np.uint8)
    images = np.zeros((96, config.image_size, config.image_size, 1), np.uint8)
    images[:, ::2] = levels[:, None, None, None]

    def read(row: int) -> dict[str, np.ndarray]:
        return {"image": images[row], "level": levels[row].astype(np.float32) / 255}

    return data.Source("bars", range(96), np.arange(96), read, outputs=1)


data.register(data.Kind("bars", open_bars))


# --- a task: regression ---


@dataclasses.dataclass(frozen=True)
class Brightness:
    image_shape: tuple[int, ...]
    unit: str = "images"
    outputs: int = 1
    measured: tuple[str, ...] = ("val_mse",)

    @property
    def input(self) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(self.image_shape, jnp.float32)

    @property
    def target(self) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((), jnp.float32)

    def describe(self) -> dict[str, int]:
        return {"numbers": 1}

    def model_options(self) -> dict[str, Any]:
        return {"image_size": self.image_shape[0]}

    def prepare(self, batch, keys):
        return data.normalise(batch["image"]), batch["level"]

    def loss(self, outputs, targets):
        return jnp.square(outputs[:, 0] - targets).mean()

    def scores(self, outputs, targets):
        return {"square": jnp.square(outputs[:, 0] - targets)}

    def metrics(self, scores):
        return {"val_mse": float(scores["square"].mean(dtype=np.float64))}


tasks.register(
    tasks.TaskKind("brightness", lambda config, splits: Brightness(splits.train.example["image"].shape))
)
metrics.register(metrics.Metric("val_mse", "validation error", "squared brightness"))


# --- a family of models: one hidden layer, by its width ---


class Hidden(nn.Module):
    outputs: int
    width: int

    @nn.compact
    def __call__(self, images, train=False):
        x = nn.Dense(self.width, name="embedding")(images.reshape(len(images), -1))
        x = nn.relu(x)
        return nn.Dense(self.outputs, name="head")(x), {"pre_logits": x}


models.register(
    models.Family(
        name="H",
        title="hidden layer",
        module=Hidden,
        parse=lambda name: {"width": int(name[1:-2])} if name[:1] == "H" and name.endswith("-1") else None,
        build=lambda name, fields, outputs, size, options: Hidden(outputs, fields["width"]),
        names=("H16-1",),
        examples=("H16-1",),
        options=(),
        growth=models.Growth(axes={"width": ("width",)}, zero="channels"),
    )
)


# --- an evaluation: how large the features are ---


@dataclasses.dataclass(frozen=True)
class FeatureNorm:
    name: str = "size"
    every: int = 1
    layers: tuple[str, ...] = ("pre_logits",)

    def settings(self) -> dict[str, Any]:
        return settings_of(self)

    def measured(self, task):
        return ("norm",)

    def prepare(self, context):
        images = context.splits.validation
        return lambda outputs: {
            "norm": float(np.linalg.norm(outputs.features(images, "pre_logits"), axis=1).mean())
        }


metrics.register(metrics.Metric("norm", "norm of the features", "l2", compared=False))


# --- a law: y = a / sqrt(x) + c ---


def _shift(p, du, dv):
    log_a, log_c = p[..., 0], p[..., 1]
    return np.stack([log_a + dv + du / 2, log_c + dv], -1)


laws.register(
    laws.Family(
        name="root",
        formula="a x^-1/2 + c",
        source="a test",
        names=("a", "c"),
        to_natural=lambda p: jnp.exp(jnp.asarray(p)),
        from_natural=lambda values: np.log(np.asarray(values, float)),
        log_y=lambda p, log_x: jnp.logaddexp(p[0] - log_x / 2, p[1]),
        log_limit=lambda p: p[1],
        shift=_shift,
        box=lambda extent: (np.array([-np.inf, extent.low - 20]), np.array([np.inf, extent.high])),
        starts=lambda extent, unit: np.stack(
            [extent.first + extent.left / 2 + unit[:, 0], extent.low + np.log(unit[:, 1] * 0.98 + 0.01)], -1
        ),
    )
)


# --- a study: two widths, one run that grows from one to the other, and the law of each ---


@dataclasses.dataclass(frozen=True)
class GrowthConfig:
    """How two widths and a change between them learn.

    Attributes:
      run: what all runs share.
      name: names the directory.
      law: fitted to the static runs.
    """

    run: RunConfig
    name: str = "outside"
    law: str = "root"


class GrowthResult(NamedTuple):
    config: GrowthConfig
    values: dict[str, list[float]]
    limits: dict[str, float]


def run(config: GrowthConfig, out, hooks, say) -> GrowthResult:
    from scalax import train
    from scalax.schedule import Schedule, Stage

    experiment = train.open_experiment(config.run)
    small, large = (config.run.model.shape(name) for name in config.run.model.names)
    budget = config.run.budget_flops
    schedules = {
        str(small): Schedule((Stage(small, budget),)),
        str(large): Schedule((Stage(large, budget),)),
        "grown": Schedule((Stage(small, budget / 2), Stage(large, budget))),
    }
    specs = [train.RunSpec(name, schedule, 0) for name, schedule in schedules.items()]
    runs = train.execute(experiment, specs, f"{out}/runs", hooks, say)
    values = {name: [record.metrics["val_mse"] for record in made.records] for name, made in runs.items()}
    curves = [
        laws.Curve([r.flops for r in runs[str(shape)].records], values[str(shape)], str(shape))
        for shape in (small, large)
    ]
    fits = laws.fit(curves, [config.law])
    limits = {c.name: found[config.law].asymptote for c, found in zip(curves, fits, strict=True)}
    return GrowthResult(config, values, limits)


def report(result: GrowthResult, out) -> str:
    from etils import epath

    from scalax import records
    from scalax.report.page import Page

    ends = ", ".join(f"{name} {values[-1]:.3g}" for name, values in result.values.items())
    page = Page("Growth from outside")
    page.text(f"{metrics.label('val_mse')} at the end: {ends}")
    page.table(
        ["model", f"limit of {result.config.law}"], [[n, f"{v:.3g}"] for n, v in result.limits.items()]
    )
    records.write_atomically(epath.Path(out) / "report.html", page.render())
    return f"at the end: {ends}"


studies.register(studies.Study("growth", GrowthConfig, GrowthResult, run, report))


def config() -> GrowthConfig:
    return GrowthConfig(
        RunConfig(
            task="brightness",
            data=DataConfig(source="bars", image_size=8, crop_padding=0),
            model=ModelConfig(names=("H8-1", "H16-1")),
            eval=EvalConfig(points=6, batch_size=24, shots=0, more=(FeatureNorm(),)),
            batch_size=8,
            budget_flops=5e6,
            cost_note="a small network: much of it is element-wise work",
        )
    )
