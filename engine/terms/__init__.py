"""What a product promises: declarative files, checked and typed, with one digest an edition."""

from engine.authored import Problem
from engine.terms.book import TermsBook
from engine.terms.loader import check_product, load_product, load_product_text, terms_from_document
from engine.terms.model import Benefit, Limit, Terms, Text
from engine.terms.problems import TermsError, TermsInvalid

__all__ = [
    "Benefit",
    "Limit",
    "Problem",
    "Terms",
    "TermsBook",
    "TermsError",
    "TermsInvalid",
    "Text",
    "check_product",
    "load_product",
    "load_product_text",
    "terms_from_document",
]
