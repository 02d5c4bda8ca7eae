// A front that makes npm's solc look like the native compiler to py-solc-x: `--version` and
// `--standard-json` only. npm's own `solcjs` prints notes to stdout in between, which is no JSON.
"use strict";

const solc = require("solc");

const mode = process.argv[2];
if (mode === "--version") {
  process.stdout.write(`solc, the solidity compiler commandline interface\nVersion: ${solc.version()}\n`);
} else if (mode === "--standard-json") {
  process.stdout.write(solc.compile(require("fs").readFileSync(0, "utf8")) + "\n");
} else {
  process.stderr.write("usage: solc-node.js --version | --standard-json < input.json\n");
  process.exitCode = 2;
}
