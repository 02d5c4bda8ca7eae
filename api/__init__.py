"""The faces: HTTP for hospitals, insurers, auditors and the insured, and the command line."""
