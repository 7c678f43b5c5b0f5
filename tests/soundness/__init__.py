"""A machine that looks for wrong proofs: random Brian2 models, analysed, rescaled, run and compared bit by bit."""
