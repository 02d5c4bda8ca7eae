"""The reader of each format. What a delivery is, its source's mapping says; the bytes have to agree."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from engine.settlement.sources.fhir.reader import read_fhir
from engine.settlement.sources.hl7v2 import read_hl7v2
from engine.settlement.sources.mapping import Format
from engine.settlement.sources.national import read_national
from engine.settlement.sources.record import Reader
from engine.settlement.sources.table import read_table
from engine.settlement.sources.x12 import read_x12

READERS: Final[Mapping[Format, Reader]] = MappingProxyType(
    {"fhir": read_fhir, "hl7v2": read_hl7v2, "national": read_national, "table": read_table, "x12": read_x12}
)
