"""Which quantities of a model may be rescaled without changing what it computes: pure algebra on its equations."""
