"""Brian2: the only place that imports it."""
