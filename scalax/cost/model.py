"""What a model of `scalax.models` costs by name: parameters, MACs and training FLOPs, from shapes alone."""

import collections
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from scalax import models
from scalax.cost.walk import Count, count, reconcile
from scalax.cost.xla import xla_analysis
from scalax.errors import UserError

EMBEDDING = {"embedding", "pos_embedding", "cls", "cls_position", "stem", "stem_norm"}
HEAD = {"head", "representation"}
# Weights are resized to the patch in use once a step, whatever the batch: no cost of an image.
RESIZE = "resize"


class ModelCost(NamedTuple):
    """Costs of one model. MACs are multiply-adds for one image; FLOPs are 2 per multiply-add, for one step.

    A step is the gradient of the mean cross-entropy over `batch` images, without an optimiser's update.
    Groups are embedding, blocks (with the last norm and pooling) and head, and add up to the whole.
    forward_macs_no_head leaves out what `no_head_leaves_out` names: the head, and for the V models their
    patch embedding too, for the source of their published counts has the transformer blocks alone.
    train_flops_matmul_fused_attention adds the attention scores that a fused kernel computes anew in the
    backward pass, as some tools count them. bytes_accessed is XLA's before fusion, bytes_fused and
    temp_bytes (what the step needs besides its arguments and results: activations above all) those of the
    compiled program on this device, None where it was not compiled.
    """

    name: str
    image: int
    classes: int
    batch: int
    patch: int | None
    params: int
    params_by_group: dict[str, int]
    forward_macs: int
    forward_macs_by_group: dict[str, int]
    forward_macs_no_head: int
    no_head_leaves_out: list[str]
    resize_macs_per_step: int
    train_flops_xla: float
    train_flops_matmul: float
    train_flops_matmul_no_head: float
    train_flops_matmul_fused_attention: float
    train_flops_explained: dict[str, float]
    uncounted: list[str]
    bytes_accessed: float
    bytes_fused: float | None
    temp_bytes: int | None


def model_cost(
    name: str,
    *,
    image: int = 224,
    classes: int = 1000,
    batch: int = 32,
    channels: int = 3,
    patch: int | None = None,
    base_grid: int | None = None,
    memory: bool = False,
) -> ModelCost:
    """Cost of the model `name` on images of `image` pixels; nothing is initialised or run.

    `patch` is the patch in use where it is not the one in the name, at which the parameters then live;
    `base_grid` the side of their position grid. `memory` compiles the step for XLA's memory analysis.
    Raises UserError on a bad name or patch.
    """
    module = _module(name, image, classes, patch, base_grid)
    images = jax.ShapeDtypeStruct((batch, image, image, channels), jnp.float32)
    labels = jax.ShapeDtypeStruct((batch,), jnp.int32)
    step, args = _step(module, images, labels)
    params, variables = args[:2]
    fore = forward_flops(module, {"params": params, **variables}, images)
    macs = {group: round(fore[group] / 2 / batch) for group in ("embedding", "blocks", "head")}
    counted = count(step, *args)
    by_group = _matmul_by_group(counted, params)
    lowered = jax.jit(step).lower(*args)
    analysis = xla_analysis(step, *args)
    left_out = ["embedding", "head"] if name.startswith("V") else ["head"]
    bytes_fused, temp_bytes = _memory(module, images, labels, lowered) if memory else (None, None)
    return ModelCost(
        name=name,
        image=image,
        classes=classes,
        batch=batch,
        patch=getattr(module, "patch", None),
        params=sum(x.size for x in jax.tree.leaves(params)),
        params_by_group=_params_by_group(params),
        forward_macs=sum(macs.values()),
        forward_macs_by_group=macs,
        forward_macs_no_head=sum(macs.values()) - sum(macs[group] for group in left_out),
        no_head_leaves_out=left_out,
        resize_macs_per_step=round(fore[RESIZE] / 2),
        train_flops_xla=float(analysis.get("flops", 0.0)),
        train_flops_matmul=counted.matmul,
        train_flops_matmul_no_head=counted.matmul - by_group["head"],
        train_flops_matmul_fused_attention=counted.matmul + fore["attention_scores"],
        train_flops_explained=reconcile(counted, float(analysis.get("flops", 0.0))),
        uncounted=list(counted.uncounted),
        bytes_accessed=float(analysis.get("bytes accessed", 0.0)),
        bytes_fused=bytes_fused,
        temp_bytes=temp_bytes,
    )


def forward_flops(module, variables, images) -> dict[str, float]:
    """Matmul and convolution FLOPs of one call by group: embedding, blocks, head; and beside these resize
    (of weights, once a call) and attention_scores (part of blocks)."""
    counted = count(lambda variables, images: module.apply(variables, images)[0], variables, images)
    return _matmul_by_group(counted, variables["params"])


def _module(name, image, classes, patch, base_grid):
    base, slash, named = name.rpartition("/")
    if patch is None:
        grid = {} if base_grid is None else {"base_grid": base_grid}
        return models.build(name, classes, image_size=image, **grid)
    if not slash or not named.isdigit() or base.startswith("mixer"):
        models.build(name, classes, image_size=image)  # says so where the name is at fault
        raise UserError(f"model {name!r} has no flexible patch: leave --patch out, or choose a ViT")
    grid = base_grid or image // int(named)
    return models.build(f"{base}/{patch}", classes, image_size=image, base_patch=int(named), base_grid=grid)


def _group(key: str) -> str:
    return "embedding" if key in EMBEDDING else "head" if key in HEAD else "blocks"


def _params_by_group(params) -> dict[str, int]:
    sizes = {"embedding": 0, "blocks": 0, "head": 0}
    for key, tree in params.items():
        sizes[_group(key)] += sum(x.size for x in jax.tree.leaves(tree))
    return sizes


def _matmul_by_group(counted: Count, params) -> dict[str, float]:
    """FLOPs by group, found by the names of modules in each scope; attention scores once more, apart."""
    flops = collections.defaultdict(float)
    for scope, amount in counted.by_scope.items():
        parts = scope.split("/")
        key = next((part for part in parts if part in params), None)
        flops[RESIZE if RESIZE in parts else _group(key or "")] += amount
        if "attention_scores" in parts:
            flops["attention_scores"] += amount
    return flops


def _step(module, images, labels):
    """The gradient of the mean cross-entropy, and its abstract arguments."""
    variables = dict(jax.eval_shape(module.init, jax.random.key(0), images))
    params = variables.pop("params")

    def loss(params, variables, images, labels):
        every = {"params": params, **variables}
        (logits, _), _ = module.apply(every, images, train=True, mutable=list(variables))
        return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1).mean()

    return jax.value_and_grad(loss), (params, variables, images, labels)


def _memory(module, images, labels, lowered) -> tuple[float | None, int | None]:
    """(bytes accessed, bytes of temporary buffers) of the compiled step, as far as the backend says.

    Where all blocks are alike both grow by the same for each (0.03% off over 24 blocks of vit-l/16), so that
    3 and 4 blocks tell those of any depth: a compilation of all 48 of vit-G would take most of the time.
    """
    depth = getattr(module, "depth", 0)
    if depth <= 4:
        return _compiled(lowered)
    steps = [_step(module.clone(depth=few), images, labels) for few in (3, 4)]
    three, four = (_compiled(jax.jit(step).lower(*args)) for step, args in steps)
    if None in (*three, *four):
        return None, None
    moved, temporary = (b + (depth - 4) * (b - a) for a, b in zip(three, four, strict=True))
    return moved, round(temporary)


def _compiled(lowered) -> tuple[Any, Any]:
    # Memory is assigned before code is generated: on a CPU, spend no time on making that fast.
    quick = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
    compiled = lowered.compile(compiler_options=quick if jax.default_backend() == "cpu" else None)
    memory = compiled.memory_analysis()
    moved = (compiled.cost_analysis() or {}).get("bytes accessed")
    return moved and float(moved), memory and memory.temp_size_in_bytes
