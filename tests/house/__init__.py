"""House rules that can be checked. Each exception stands in a list here, with its reason."""
