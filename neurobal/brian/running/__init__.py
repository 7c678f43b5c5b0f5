"""Code of our own that runs in a simulation: runners, clocks, templates."""
