"""Changes of shape, as pure functions on parameters, running statistics and optimiser state."""

from scalax.morph.change import change as change
