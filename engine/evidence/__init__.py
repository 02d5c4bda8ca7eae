"""Evidence: canonical documents, commitments, bundles, and their verification without a chain."""
