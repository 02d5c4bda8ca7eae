"""Many settlements at once, over columns: the decisions of engine.adjudication.adjudicate, to the fen."""
