"""Why a check could not be made. What it finds is no error: it stands in the report."""


class CannotCheck(Exception):
    """Database, chain or bank cannot be read, or is not the one that belongs to the others."""


class RpcRefused(CannotCheck):
    """The node answered one call with an error."""
