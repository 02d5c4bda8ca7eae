"""What goes over the wire, by audience. Not the tables: a column becomes public only by being named here."""
