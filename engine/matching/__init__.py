"""Who of the discharged is insured, without pooling anyone's list."""
