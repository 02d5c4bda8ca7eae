"""Electronic invoices (医疗收费电子票据): the port to whoever issued them, and its HTTP adapter."""
