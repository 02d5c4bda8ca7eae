"""The contracts proven by machine: `make contracts-deep`, or one part of it by its own name.

The specs are Solidity, in contracts/test/: each states a function once, as a `check_`. forge tries it on
random arguments (`make forge`), halmos on all of them at once (`make halmos`). slither looks for known
mistakes, mutants show that a broken contract does not pass, and lives are thousands of random lives against
the model of the Python tests.
"""
