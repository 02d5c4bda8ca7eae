// A front that makes npm's solc look like the native compiler to py-solc-x and forge: `--version` and
// `--standard-json` only. npm's own `solcjs` prints notes to stdout in between, which is no JSON.
"use strict";

const solc = require("solc");

// forge puts folders in front that the input, which carries every source, has no need of
const asked = process.argv.slice(2);
if (asked.includes("--version")) {
  process.stdout.write(`solc, the solidity compiler commandline interface\nVersion: ${solc.version()}\n`);
} else if (asked.includes("--standard-json")) {
  process.stdout.write(solc.compile(require("fs").readFileSync(0, "utf8")) + "\n");
} else {
  process.stderr.write("usage: solc-node.js --version | --standard-json < input.json\n");
  process.exitCode = 2;
}
