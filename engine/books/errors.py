"""What is wrong with a book: which file, which row, which field, which rule."""

from pathlib import Path

from engine.errors import AutoclaimError


class NotInABook(AutoclaimError):
    """The terms ask for what no book says."""

    def __init__(self, terms: str) -> None:
        message = f"{terms}: a deductible is borne by the family, and a book does not say who is of one"
        super().__init__(message, code="book.family_unknown")
        self._terms = terms

    def __reduce__(self) -> tuple[object, ...]:
        return NotInABook, (self._terms,)


class BookInvalid(AutoclaimError):
    """A file of a book that cannot be used. `row` counts from 0; None where it is not about one row."""

    def __init__(self, file: Path, field: str, rule: str, message: str, row: int | None = None) -> None:
        place = f"{file}: " + (f"row {row}: " if row is not None else "") + (f"{field}: " if field else "")
        super().__init__(place + message, code=rule)
        self.file = file
        self.field = field
        self.row = row
        self._message = message

    def __reduce__(self) -> tuple[object, ...]:
        """Workers are processes: what they refuse has to travel."""
        return BookInvalid, (self.file, self.field, self.code, self._message, self.row)
