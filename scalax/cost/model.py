"""What a model of `scalax.models` costs by name: parameters, MACs and training FLOPs, from shapes alone."""

import collections
import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from scalax import models
from scalax.cost.walk import Count, count, reconcile
from scalax.cost.xla import count_both
from scalax.errors import UserError
from scalax.models import Family

# Weights are resized to the patch in use once a step, whatever the batch: no cost of an image.
RESIZE = "resize"


class ModelCost(NamedTuple):
    """Costs of one model.

    MACs are multiply-adds for one example, an image or a sequence of tokens; FLOPs are 2 per multiply-add,
    for one step. A step is the gradient of the mean cross-entropy over `batch` examples, without an
    optimiser's update. Groups are embedding, blocks (with the last norm and pooling) and head, and add up to
    the whole. `image` is the side of images and `context` the length of sequences; the other is None.
    forward_macs_no_head leaves out what `no_head_leaves_out` names: the head, and for the V models their
    patch embedding too (models.Family.apart).
    train_flops_matmul_fused_attention adds the attention scores that a fused kernel computes anew in the
    backward pass, as some tools count them. bytes_accessed is XLA's before fusion, bytes_fused and
    temp_bytes (what the step needs besides its arguments and results: activations above all) those of the
    compiled program on this device, None where it was not compiled.
    """

    name: str
    image: int | None
    context: int | None
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
    context: int = 256,
    classes: int = 1000,
    batch: int = 32,
    channels: int = 3,
    patch: int | None = None,
    base_grid: int | None = None,
    memory: bool = False,
) -> ModelCost:
    """Cost of the model `name`; nothing is initialised or run.

    - name: of the model, as models.build has it.
    - image, channels: side in pixels and channels of the images, for models of images.
    - context: tokens of a sequence, for models of text.
    - classes: outputs: classes, or tokens of the vocabulary.
    - batch: examples of a training step.
    - patch: the patch in use where it is not the one in the name, at which the parameters then live.
    - base_grid: side of the grid of positions that the parameters hold.
    - memory: compile the step for XLA's memory analysis.

    Raises UserError on a bad name or patch.
    """
    family, fields = models.find(name)
    size = {"image_size": image, "context": context}[family.inputs.size]
    module = _module(name, family, classes, size, patch, base_grid)
    example = family.inputs.example(size, channels)
    inputs = jax.ShapeDtypeStruct((batch, *example.shape), example.dtype)
    step, args = _step(module, inputs)
    params, variables = args[:2]
    fore = forward_flops(module, {"params": params, **variables}, inputs)
    macs = {group: round(fore[group] / 2 / batch) for group in ("embedding", "blocks", "head")}
    counted, xla_flops, bytes_accessed = count_both(step, *args)
    by_group = _matmul_by_group(counted, params, family)
    left_out = family.apart(name)
    bytes_fused, temp_bytes = _memory(module, family, inputs) if memory else (None, None)
    return ModelCost(
        name=name,
        image=image if family.inputs.size == "image_size" else None,
        context=context if family.inputs.size == "context" else None,
        classes=classes,
        batch=batch,
        patch=patch or fields.get("patch"),
        params=sum(x.size for x in jax.tree.leaves(params)),
        params_by_group=_params_by_group(params, family),
        forward_macs=sum(macs.values()),
        forward_macs_by_group=macs,
        forward_macs_no_head=sum(macs.values()) - sum(macs[group] for group in left_out),
        no_head_leaves_out=list(left_out),
        resize_macs_per_step=round(fore[RESIZE] / 2),
        train_flops_xla=xla_flops,
        train_flops_matmul=counted.matmul,
        train_flops_matmul_no_head=counted.matmul - by_group["head"],
        train_flops_matmul_fused_attention=counted.matmul + fore["attention_scores"],
        train_flops_explained=reconcile(counted, xla_flops),
        uncounted=list(counted.uncounted),
        bytes_accessed=bytes_accessed,
        bytes_fused=bytes_fused,
        temp_bytes=temp_bytes,
    )


class TrainingFlops(NamedTuple):
    """FLOPs of the gradient of a batch by two conventions, without an optimiser's update; params of the
    model.

    matmul: of products and convolutions, padding counted. fused: with the attention scores that a fused
    kernel computes anew in the backward pass, as some tools count them; the same for models without
    attention.
    """

    params: int
    matmul: float
    fused: float


@functools.lru_cache(maxsize=256)
def training_flops(module: nn.Module, inputs: jax.ShapeDtypeStruct) -> TrainingFlops:
    """Of a step of a model, from shapes alone.

    - module: of the model.
    - inputs: a batch; may be abstract.
    """
    step, args = _step(module, inputs)
    params, variables = args[:2]
    matmul = count(step, *args).matmul
    scores = forward_flops(module, {"params": params, **variables}, inputs)["attention_scores"]
    return TrainingFlops(sum(x.size for x in jax.tree.leaves(params)), matmul, matmul + scores)


def forward_flops(
    module: nn.Module, variables: Mapping[str, Any], inputs: jax.ShapeDtypeStruct
) -> dict[str, float]:
    """Matmul and convolution FLOPs of one call on a batch by group: embedding, blocks, head; and beside these
    resize (of weights, once a call) and attention_scores (part of blocks). All may be abstract.

    - module: of the model.
    - variables: of the module.
    - inputs: a batch.
    """
    counted = count(lambda variables, inputs: module.apply(variables, inputs)[0], variables, inputs)
    return _matmul_by_group(counted, variables["params"], models.family_of(module))


def _module(
    name: str, family: Family, classes: int, size: int, patch: int | None, base_grid: int | None
) -> nn.Module:
    options = {} if base_grid is None else {"base_grid": base_grid}
    sizes: dict[str, Any] = {family.inputs.size: size}
    if patch is not None:
        # Where a patch has weights of its own, those of the name are not those of the patch in use.
        if "patch" not in family.axes or family.growth.grid_readers:
            raise UserError(f"model {name!r} has no flexible patch: leave patch out, or choose a ViT")
        base, _, named = name.rpartition("/")
        name = f"{base}/{patch}"
        options = {"base_patch": int(named), "base_grid": base_grid or size // int(named)}
    return models.build(name, classes, **sizes, **options)


def _group(key: str, family: Family) -> str:
    return "embedding" if key in family.embedding else "head" if key in family.head else "blocks"


def _params_by_group(params: Mapping[str, Any], family: Family) -> dict[str, int]:
    sizes = {"embedding": 0, "blocks": 0, "head": 0}
    for key, tree in params.items():
        sizes[_group(key, family)] += sum(x.size for x in jax.tree.leaves(tree))
    return sizes


def _matmul_by_group(counted: Count, params: Mapping[str, Any], family: Family) -> dict[str, float]:
    """FLOPs by group, found by the names of modules in each scope; attention scores once more, apart."""
    flops = collections.defaultdict(float)
    for scope, amount in counted.by_scope.items():
        parts = scope.split("/")
        key = next((part for part in parts if part in params), "")
        flops[RESIZE if RESIZE in parts else _group(key, family)] += amount
        if "attention_scores" in parts:
            flops["attention_scores"] += amount
    return flops


def _step(module: nn.Module, inputs: jax.ShapeDtypeStruct) -> tuple[Callable, tuple]:
    """The gradient of the mean cross-entropy, and its abstract arguments."""
    (logits, _), variables = jax.eval_shape(module.init_with_output, jax.random.key(0), inputs)
    labels = jax.ShapeDtypeStruct(logits.shape[:-1], jnp.int32)
    variables = dict(variables)
    params = variables.pop("params")

    def loss(params, variables, inputs, labels):
        every = {"params": params, **variables}
        (logits, _), _ = module.apply(every, inputs, train=True, mutable=list(variables))
        return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[..., None], -1).mean()

    return jax.value_and_grad(loss), (params, variables, inputs, labels)


def _memory(module: Any, family: Family, inputs: jax.ShapeDtypeStruct) -> tuple[float | None, int | None]:
    """(bytes accessed, bytes of temporary buffers) of the compiled step, as far as the backend says.

    Where all blocks are alike both grow by the same for each (0.03% off over 24 blocks of vit-l/16), so that
    3 and 4 blocks tell those of any depth: a compilation of all 48 of vit-G would take most of the time.
    """
    alike = family.growth.axes.get("depth") == ("depth",)
    if not alike or module.depth <= 4:
        return _compiled(module, inputs)
    three, four = (_compiled(module.clone(depth=few), inputs) for few in (3, 4))
    if None in (*three, *four):
        return None, None
    moved, temporary = (b + (module.depth - 4) * (b - a) for a, b in zip(three, four, strict=True))
    return moved, round(temporary)


def _compiled(module: nn.Module, inputs: jax.ShapeDtypeStruct) -> tuple[Any, Any]:
    step, args = _step(module, inputs)
    # Memory is assigned before code is generated: on a CPU, spend no time on making that fast.
    quick = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
    options = quick if jax.default_backend() == "cpu" else None
    compiled = jax.jit(step).lower(*args).compile(compiler_options=options)
    memory = compiled.memory_analysis()
    moved = (compiled.cost_analysis() or {}).get("bytes accessed")
    return moved and float(moved), memory and memory.temp_size_in_bytes
