"""Laws of several variables: loss against parameters and tokens, or width, depth and data."""

from scalax.laws.joint.allocation import Allocation, Choice, allocate
from scalax.laws.joint.fitting import JointFit, fit_joint
from scalax.laws.joint.form import FORMS, Form, JointLaw, form_of
from scalax.laws.joint.runs import Runs

__all__ = [
    "FORMS",
    "Allocation",
    "Choice",
    "Form",
    "JointFit",
    "JointLaw",
    "Runs",
    "allocate",
    "fit_joint",
    "form_of",
]
