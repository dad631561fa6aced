"""FLOPs of a function by walking its jaxpr: nothing is computed, compiled or allocated."""

import collections
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import jax
from jax.extend.core import ClosedJaxpr
from jax.interpreters import partial_eval

from scalax.cost.rules import conv_flops, elementwise_flops, matmul_flops


class Count(NamedTuple):
    """FLOPs (2 per multiply-add) of one call.

    matmul: dense products and convolutions, padding counted, recomputation under remat not: model FLOPs.
    elementwise, transcendental: all other arithmetic, by XLA's rules; XLA reports the second apart.
    remat: FLOPs of any kind that rematerialisation does again.
    padding: convolution FLOPs on padding, which `matmul` holds and XLA leaves out.
    repeated: FLOPs of loop iterations and of shards after the first, which XLA leaves out.
    uncounted: names of the primitives for which there is no rule.
    by_primitive: `elementwise` by name of primitive.
    by_scope: `matmul` by name stack of the equation, 'ViT/block00/attn/query'.
    """

    matmul: float = 0.0
    elementwise: float = 0.0
    transcendental: float = 0.0
    remat: float = 0.0
    padding: float = 0.0
    repeated: float = 0.0
    uncounted: tuple[str, ...] = ()
    by_primitive: Mapping[str, float] = {}
    by_scope: Mapping[str, float] = {}

    @property
    def xla(self) -> float:
        """What XLA's cost analysis should report."""
        return self.matmul + self.elementwise + self.remat - self.padding - self.repeated

    def times(self, n: int) -> "Count":
        """n calls, as an XLA loop or the shards of a mesh make them: XLA counts one of them."""
        amounts = [n * amount for amount in self[:6]]
        tables = [{key: n * value for key, value in table.items()} for table in self[7:]]
        return Count._make([*amounts, self.uncounted, *tables])._replace(
            repeated=n * self.repeated + (n - 1) * self.xla
        )


def count(fn: Callable, *args: Any) -> Count:
    """Count of `fn(*args)`; arguments may be abstract (`jax.ShapeDtypeStruct`).

    Work whose result is not used does not count. A cond counts as its dearest branch; a while loop, whose
    length nothing tells, counts as one iteration and is named in `uncounted`.
    """
    return count_jaxpr(jax.make_jaxpr(fn)(*args))


def count_jaxpr(closed: ClosedJaxpr) -> Count:
    """Count of one call of a traced function; see `count`."""
    jaxpr, _ = partial_eval.dce_jaxpr(closed.jaxpr, [True] * len(closed.jaxpr.outvars))
    return _walk(jaxpr, "")


def reconcile(count: Count, xla_flops: float) -> dict[str, float]:
    """The parts that make up `xla_flops`, by name; what no part explains is 'unexplained'."""
    parts = {
        "matmul": count.matmul,
        "elementwise": count.elementwise,
        "remat": count.remat,
        "padding": -count.padding,
        "repeated": -count.repeated,
    }
    return {**parts, "unexplained": xla_flops - sum(parts.values())}


def _walk(jaxpr, scope: str) -> Count:
    return _add(_equation(eqn, scope) for eqn in jaxpr.eqns)


def _equation(eqn, outer: str) -> Count:
    scope = "/".join(filter(None, (outer, str(eqn.source_info.name_stack))))
    name = eqn.primitive.name
    padding = 0.0
    if name == "dot_general":
        flops = matmul_flops(eqn)
    elif name == "conv_general_dilated":
        flops, valid = conv_flops(eqn)
        padding = flops - valid
    elif inner := list(_inner_jaxprs(eqn)):
        return _inner_count(eqn, inner, scope)
    else:
        found = elementwise_flops(eqn)
        if found is None:
            return Count(uncounted=(name,))
        flops, transcendental = found
        if "rematted_computation" in scope:
            return Count(transcendental=transcendental, remat=flops)
        return Count(0.0, flops, transcendental, by_primitive={name: flops})
    if "rematted_computation" in scope:
        return Count(remat=flops, padding=padding)
    return Count(flops, padding=padding, by_scope={scope: flops})


def _inner_jaxprs(eqn) -> Iterable:
    for value in eqn.params.values():
        for item in value if isinstance(value, (tuple, list)) else (value,):
            if hasattr(item, "eqns"):
                yield item
            elif hasattr(item, "jaxpr") and hasattr(item.jaxpr, "eqns"):
                yield item.jaxpr


def _inner_count(eqn, inner: list, scope: str) -> Count:
    name, params = eqn.primitive.name, eqn.params
    if name == "cond":
        return max((_walk(branch, scope) for branch in inner), key=lambda c: (c.matmul, c.elementwise))
    if name == "while":
        body = _add(_walk(part, scope) for part in inner)
        return body._replace(uncounted=(*body.uncounted, "while"))
    if name == "pallas_call":
        return Count(uncounted=(name,))
    if name == "scan":
        return _walk(inner[0], scope).times(params["length"])
    if name == "shard_map":
        axes = params["newly_manual_axes" if "newly_manual_axes" in params else "manual_axes"]
        return _walk(inner[0], scope).times(math.prod(params["mesh"].shape[axis] for axis in axes))
    if name.startswith(("scatter", "reduce_window", "select_and_", "reduce")):
        # The inner jaxpr is the reducer, not work of its own.
        flops, transcendental = elementwise_flops(eqn) or (None, 0.0)
        if flops is None:
            return Count(uncounted=(name,))
        return Count(0.0, flops, transcendental, by_primitive={name: flops})
    # jit, custom derivatives, remat: one call of the one function. Of several (a custom rule keeps its
    # derivative as a thunk, not a jaxpr) only the first is what runs here.
    return _walk(inner[0], scope)


def _add(counts: Iterable[Count]) -> Count:
    amounts, uncounted = [0.0] * 6, set()
    tables: list[collections.Counter] = [collections.Counter(), collections.Counter()]
    for one in counts:
        amounts = [a + b for a, b in zip(amounts, one[:6], strict=True)]
        uncounted.update(one.uncounted)
        for table, more in zip(tables, one[7:], strict=True):
            table.update(more)
    return Count._make([*amounts, tuple(sorted(uncounted)), *map(dict, tables)])
