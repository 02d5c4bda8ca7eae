"""FHIR R4 and R5: claims, explanations of benefit and stays, as JSON (docs/fhir.md)."""

from engine.settlement.sources.fhir.reader import read_fhir

__all__ = ["read_fhir"]
