"""Many settlements at once, over columns: the same decisions as engine.adjudication.adjudicate, to the fen."""
