/**
 * Runs a program with a Node.js that understands it: `node tools/stack/with-node.mjs <file.ts> [argument…]`.
 *
 * npm puts node_modules/.bin first on PATH, so this is mostly the right Node.js already; it is not when a system's npm does otherwise.
 */
import { spawn } from "node:child_process"
import { dirname, delimiter, resolve } from "node:path"
import { findNode, nodeHint } from "./node-lookup.mjs"

const [file, ...args] = process.argv.slice(2)
const node = findNode()
if (file === undefined) fail("usage: with-node.mjs <file> [argument…]", 2)
else if (node === null) fail(nodeHint(), 1)
else if (node === process.execPath) {
  process.argv.splice(1, 2, resolve(file))
  const program = await import(new URL(`file://${resolve(file)}`))
  // The program's own `import.meta.main` is false here: it exports its entry.
  process.exitCode = await program.main(args)
} else {
  const env = { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH ?? ""}` }
  const child = spawn(node, [file, ...args], { stdio: "inherit", env })
  // Ctrl-C reaches the child by the terminal's process group; a SIGTERM to us alone would not.
  process.on("SIGINT", () => {})
  process.on("SIGTERM", () => child.kill("SIGTERM"))
  child.once("error", (error) => fail(error.message, 1))
  child.once("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 143)))
}

function fail(text, code) {
  process.stderr.write(`${text}\n`)
  process.exitCode = code
}
