"""Rules that rescale neurons while a Brian2 network runs."""
