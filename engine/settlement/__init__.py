"""One standard settlement: native body, rules, minimised document, identity."""
