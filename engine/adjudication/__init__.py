"""Pure rules: terms, coverage, history and settlement in; a decision with its trace out."""

from engine.adjudication.adjudicate import adjudicate
from engine.adjudication.coverage import Coverage
from engine.adjudication.decision import ENGINE_VERSION, Decision, Outcome
from engine.adjudication.documents import DocumentInvalid
from engine.adjudication.history import History

__all__ = [
    "ENGINE_VERSION",
    "Coverage",
    "Decision",
    "DocumentInvalid",
    "History",
    "Outcome",
    "adjudicate",
]
