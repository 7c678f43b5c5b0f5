"""A Brian2 network: what it consists of, what it means, what may move in it, and how scales are written into it.

In the order in which one needs the other:

- ``objects``: which Brian2 objects make up a network.
- ``values``: which of their variables can be scaled, and what values they hold.
- ``names``: what a name in their equations stands for.
- ``statements``: all that they compute, as lines of text and names: the model that the algebra of ``neurobal.symmetry``
  works on.
- ``symmetries``: `neurobal.symmetries`, what may be rescaled in that model.
- ``motion``: which variables move by which powers, as declared or derived.
- ``reading``: a network as a `Circuit`.
- ``binding``, ``writing``: from scales of a `Circuit` back to the objects, and how that is undone.
- ``guarded_runs``: checks before every run, ``guarded_constants``: that constants are what a symmetry was derived with,
  ``newcomers``: that nothing was added since.
"""
