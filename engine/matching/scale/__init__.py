"""List against list, tens of millions a side: RR22 by SecretFlow's spu, in an environment of its own."""
