"""Runs that branch off another, their trunk: they take over its whole state as it was, and go on from there.

A branch is a run like any other: its config and schedule say all that it is, and it would end the same (on a
CPU bit for bit) if it trained from the start. The trunk only spares it the updates that both share.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from etils import epath

from scalax.config import OptimConfig
from scalax.errors import UserError
from scalax.records import is_run, read_info
from scalax.schedule import Schedule, Shape
from scalax.train.checkpoint import read_step
from scalax.train.course import check
from scalax.train.experiment import Experiment
from scalax.train.group import Member, checkpoints_of
from scalax.train.rates import cooldown_begins
from scalax.train.saved import Saved, saved_of
from scalax.train.state import TrainState
from scalax.train.timeline import Timeline


def cooled(experiment: Experiment, trunk: Schedule, optim: OptimConfig, budget_flops: float) -> Schedule:
    """The schedule of a run that follows another until its cooldown begins, and keeps its shape from there.

    - experiment: of both.
    - trunk: the schedule of the other, at least until then.
    - optim: of the run that cools down.
    - budget_flops: of the run that cools down.

    Raises UserError where the cooldown would have no step.
    """
    timeline = check(experiment, trunk)
    step = timeline.last_before(cooldown_begins(optim, budget_flops))
    now, _ = timeline.around(step)
    before = [span.stage for span in timeline.spans[: timeline.spans.index(now)]]
    schedule = Schedule((*before, now.stage._replace(until_flops=budget_flops)))
    ends = [stage.until_flops for stage in schedule.stages]
    if ends != sorted(set(ends)) or check(experiment, schedule).steps <= step:
        raise UserError(
            f"a budget of {budget_flops:.3g} FLOPs leaves no step of {now.shape} for the cooldown; raise it,"
            " or optim.cooldown_share"
        )
    return schedule


def begins(directory: Any, trunk: Any, optim: OptimConfig, budget_flops: float, timeline: Timeline) -> int:
    """Updates that a branch takes over: those until its cooldown. 0 where it trains from the start.

    - directory: of the branch.
    - trunk: directory of the other run.
    - optim: of the branch.
    - budget_flops: of the branch.
    - timeline: of the branch.

    It trains from the start where it has begun to, or where its trunk has no state of that step: it was made
    before it was to keep one. Raises UserError where the trunk is not finished.
    """
    step = timeline.last_before(cooldown_begins(optim, budget_flops))
    if is_run(directory):
        own = read_info(directory).trunk
        if own is not None and own.step != step:
            raise UserError(
                f"{directory} branched off after {own.step} updates, and now would after {step}; move it"
                " away and make the run again"
            )
        return step if own else 0
    info = read_info(trunk)
    if not info.finished:
        raise UserError(f"{trunk}: the run is not finished, and others branch off it; finish it first")
    checkpoints, _ = checkpoints_of(epath.Path(trunk), info)
    return step if step and (checkpoints / str(step)).exists() else 0


def take_over(experiment: Experiment, members: Sequence[Member], shape: Shape) -> tuple[TrainState, Saved]:
    """The state of a group that branches off, and what was saved beside it: those of each member's trunk.

    - experiment: of the group.
    - members: of the group.
    - shape: of the state.

    Raises UserError where a trunk has no such state any more.
    """
    programs, read, states, beside = experiment.programs, {}, [], []
    for member in members:
        assert member.trunk is not None
        info = read_info(member.trunk)
        checkpoints, place = checkpoints_of(member.trunk, info)
        try:
            if checkpoints not in read:
                read[checkpoints] = read_step(
                    checkpoints, member.begins, lambda size: programs.abstract_state(shape, size)
                )
            state, progress, size = read[checkpoints]
            saved = saved_of(checkpoints / str(member.begins), progress, info.name, place, size)
        except UserError as e:
            raise UserError(
                f"{member.path.name} branches off {member.trunk.name}: {e}; restore it, or remove"
                f" {member.path}, and the run trains from the start"
            ) from None
        states.append(state if place is None else jax.tree.map(lambda x, at=place: x[at], state))
        beside.append(_of_member(saved, place or 0, size or 1))
    axis = len(members) if len(members) > 1 else None
    joined = _stacked if axis else lambda states: states[0]
    state = jax.jit(joined, out_shardings=programs.shardings(shape, axis))(states)
    return state, Saved(
        feed={},
        rate_factor=min(saved.rate_factor for saved in beside),
        wall_s=math.fsum(saved.wall_s for saved in beside),
        skipped=[count for saved in beside for count in saved.skipped],
        skipped_in_a_row=[count for saved in beside for count in saved.skipped_in_a_row],
    )


def _of_member(saved: Saved, member: int, size: int) -> Saved:
    """The part of one member of a group. size: of the group."""
    skipped, in_a_row = saved.skips(size)
    return dataclasses.replace(
        saved,
        wall_s=saved.wall_s / size,
        skipped=[skipped[member]],
        skipped_in_a_row=[in_a_row[member]],
    )


def _stacked(states: list[TrainState]) -> TrainState:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)
