"""The provider node: raw settlements stay here, and only what a purpose lists of a matched person leaves."""
