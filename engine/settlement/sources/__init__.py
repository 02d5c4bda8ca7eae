"""Every hospital's data, read into one standard settlement: formats, mapping files, cleaning.

A reader knows a format and no hospital: bytes to `Raw` records under the sender's own names. A mapping file
knows a hospital and no format: its names and codes. `standardise` holds the one against the other and comes
to a `Record` under the national list's names, which the rules of the settlement then check like any other.
"""
