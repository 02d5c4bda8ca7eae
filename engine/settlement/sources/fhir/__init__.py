"""FHIR R4 and R5: claims, explanations of benefit and stays, as JSON (docs/fhir.md)."""

from engine.settlement.sources.fhir.answers import Outcome, answer, claim_response, operation_outcome
from engine.settlement.sources.fhir.reader import read_fhir
from engine.settlement.sources.fhir.resources import Version

__all__ = ["Outcome", "Version", "answer", "claim_response", "operation_outcome", "read_fhir"]
