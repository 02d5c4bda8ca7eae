"""What can go wrong with evidence, as one tree.

EvidenceError
├── NotCanonical       a document that has no canonical form (a float, a lone surrogate, a huge integer)
├── DocumentInvalid    a document that lacks a field, or carries one that must not be in evidence
├── BundleMalformed    bytes that are not a bundle of a known version
├── ProofInvalid       a header, trie proof, receipt, log or signature that does not prove what it says
├── TrustStoreInvalid  the list of trusted blocks cannot be read
└── EndpointUnavailable  a chain endpoint does not answer, or not in the protocol
"""


class EvidenceError(ValueError):
    """Base of every error this room raises."""


class NotCanonical(EvidenceError):
    """The value has no RFC 8785 form that every reader agrees on."""


class DocumentInvalid(EvidenceError):
    """A document breaks its field list; the message names the field."""


class BundleMalformed(EvidenceError):
    """The bytes are not a bundle of a version known here; the message names the place."""


class ProofInvalid(EvidenceError):
    """What is offered as a proof proves nothing, or something else."""


class TrustStoreInvalid(EvidenceError):
    """The file of trusted blocks is unreadable; the message names the file."""


class EndpointUnavailable(EvidenceError):
    """The chain endpoint cannot be asked; the message names it."""
