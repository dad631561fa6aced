"""From laws to a schedule of shapes, and what the schedule saved."""

from scalax.plan.compare import best_static as best_static
from scalax.plan.compare import flops_to_reach as flops_to_reach
from scalax.plan.compare import target_values as target_values
from scalax.plan.steepest import Plan as Plan
from scalax.plan.steepest import Transition as Transition
from scalax.plan.steepest import steepest_descent as steepest_descent
