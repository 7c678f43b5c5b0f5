"""Networks that are larger than memory: whatever needs their synapses is a pass over bands of rows."""
