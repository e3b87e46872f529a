#!/usr/bin/env node
// Starts the command under the Node.js that the workspace brings (24 or newer); the system's own may be older and could not read it.
import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))
if (Number(process.versions.node.split(".")[0]) >= 24) {
  await import(main)
} else {
  const ours = fileURLToPath(new URL("../../../node_modules/.bin/node", import.meta.url))
  if (!existsSync(ours)) {
    console.error("backplane needs Node.js 24 or newer: run `npm ci` in the checkout, which brings one, or install it")
    process.exit(1)
  }
  const child = spawn(ours, [main, ...process.argv.slice(2)], { stdio: "inherit" })
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal))
  child.on("exit", (code, signal) => process.exit(signal === null ? (code ?? 1) : 1))
}
