"""FLOPs of single primitives, by the rules of XLA's cost analysis (HloCostAnalysis).

Arithmetic counts one FLOP an output element whatever the type, comparisons and conversions included;
transcendental functions stand apart; data movement is free. Every `eqn` is an equation of a jaxpr.
"""

import math
from typing import Any

import numpy as np


def _names(text: str) -> list[str]:
    return text.split()


# One FLOP per output element.
ARITHMETIC = _names(
    "add add_any sub mul div rem max min neg abs sign square and or xor not eq ne lt le gt ge "
    "select_n clamp is_finite floor ceil round nextafter reduce_precision population_count clz "
    "shift_left shift_right_logical shift_right_arithmetic psum psum_invariant pmax pmin"
)
# One transcendental per output element, and FLOPs where the lowering adds arithmetic.
TRANSCENDENTAL = {
    **dict.fromkeys(_names("exp log log1p expm1 tanh sqrt rsqrt cbrt sin cos tan atan2 atan pow erf"), 0),
    "exp2": 1,
    "log2": 1,
    "logistic": 3,
    "erf_inv": 37,
    "erfc": 62,
    "lgamma": 53,
}
# Reductions: so many FLOPs for each input element that an output element absorbs.
REDUCTIONS = {
    **dict.fromkeys(_names("reduce_sum reduce_prod reduce_max reduce_min reduce_and reduce_or"), 1),
    "argmax": 9,
    "argmin": 9,
}
FREE = _names(
    "broadcast_in_dim reshape transpose squeeze expand_dims slice dynamic_slice dynamic_update_slice "
    "concatenate pad rev iota gather scatter split copy copy_p bitcast_convert_type stop_gradient "
    "optimization_barrier sharding_constraint device_put pvary pcast all_gather all_gather_invariant "
    "all_to_all ppermute axis_index random_seed random_wrap random_unwrap random_fold_in random_split "
    "random_clone real imag complex empty empty2 top_k create_token full split_transpose reduce_scatter "
    "mesh_cast reshard name stack unstack tile tie after_all dce_sink"
)


def matmul_flops(eqn: Any) -> float:
    """2 x multiply-adds of a dot_general: output elements times contracted length."""
    (contracted, _), _ = eqn.params["dimension_numbers"]
    lhs = eqn.invars[0].aval.shape
    return 2.0 * eqn.outvars[0].aval.size * math.prod(lhs[axis] for axis in contracted)


def conv_flops(eqn: Any) -> tuple[float, float]:
    """(nominal, XLA's) 2 x multiply-adds of a convolution, any grouping, stride and dilation.

    The nominal count takes every tap of every output, those on padding too, save the zeros that a dilated
    input (the gradient of a strided convolution) holds. XLA leaves the taps on padding out.
    """
    params = eqn.params
    numbers = params["dimension_numbers"]
    lhs, rhs, out = (v.aval.shape for v in (*eqn.invars, *eqn.outvars))
    # The kernel's input features are those of one group, so grouping needs no rule of its own.
    per_tap = 2.0 * out[numbers.out_spec[0]] * out[numbers.out_spec[1]] * rhs[numbers.rhs_spec[1]]
    nominal = valid = per_tap
    for axis in range(len(numbers.lhs_spec) - 2):
        n_in, taps, n_out = (
            shape[spec[2 + axis]]
            for shape, spec in ((lhs, numbers.lhs_spec), (rhs, numbers.rhs_spec), (out, numbers.out_spec))
        )
        stride, dilation = params["window_strides"][axis], params["lhs_dilation"][axis]
        nominal *= n_out * taps / dilation
        place = stride * np.arange(n_out)[:, None] - params["padding"][axis][0]
        place = place + params["rhs_dilation"][axis] * np.arange(taps)
        inside = (place >= 0) & (place <= (n_in - 1) * dilation) & (place % dilation == 0)
        valid *= int(inside.sum())
    return nominal, valid


def elementwise_flops(eqn: Any) -> tuple[float, float] | None:
    """(FLOPs, transcendentals) of any other primitive, or None where there is no rule for it."""
    name, params = eqn.primitive.name, eqn.params
    size = float(sum(v.aval.size for v in eqn.outvars))
    n_in = float(eqn.invars[0].aval.size) if eqn.invars else 0.0
    if name in FREE:
        return 0.0, 0.0
    if name in ARITHMETIC:
        return size, 0.0
    if name in TRANSCENDENTAL:
        return TRANSCENDENTAL[name] * size, size
    if name in REDUCTIONS:
        return REDUCTIONS[name] * (n_in - size), 0.0
    if name == "convert_element_type":
        return (0.0 if eqn.invars[0].aval.dtype == params["new_dtype"] else size), 0.0
    if name == "one_minus_square":  # the derivative of tanh in newer versions of jax
        return 2.0 * size, 0.0
    if name == "integer_pow":
        power = abs(params["y"])
        squarings, products = power.bit_length() - 1, power.bit_count() - 1
        return size * (squarings + products + (params["y"] < 0)), 0.0
    if name in ("cumsum", "cumprod", "cummax", "cummin"):
        return size * (eqn.outvars[0].aval.shape[params["axis"]] - 1), 0.0
    if name.startswith("reduce_window_"):
        return size * (math.prod(params["window_dimensions"]) - 1), 0.0
    if name in ("select_and_scatter_add", "select_and_gather_add"):
        return n_in * math.prod(params["window_dimensions"]), 0.0
    if name.startswith("scatter"):
        return float(eqn.invars[2].aval.size), 0.0
    if name == "sort":
        return n_in * math.ceil(math.log2(max(n_in, 2))), 0.0
    if name in ("random_bits", "threefry2x32"):
        return 31.0 * size, 0.0  # one threefry round: 31 integer operations a word, as lowered
    return None
