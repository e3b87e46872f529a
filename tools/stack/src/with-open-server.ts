/**
 * Runs a program with a NATS server of its own, and ends that after it: `node tools/stack/src/with-open-server.ts <file.ts> [argument…]`.
 * The program finds it in NATS_URL.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { findNatsServer, HOW_TO_INSTALL } from "@backplane/nats/find-server"
import { openServer } from "./open-server.ts"

const program = findNatsServer(process.env)
if (program === null) {
  process.stderr.write(`backplane: ${HOW_TO_INSTALL}\n`)
  process.exitCode = 1
} else {
  const server = await openServer(program)
  // Ctrl-C reaches the child by the terminal's process group; a SIGTERM to us alone would not.
  const child = spawn(process.execPath, process.argv.slice(2), { stdio: "inherit", env: { ...process.env, NATS_URL: server.url } })
  process.on("SIGINT", () => undefined)
  process.on("SIGTERM", () => child.kill("SIGTERM"))
  const [code] = (await once(child, "exit")) as [number | null]
  await server.stop()
  process.exitCode = code ?? 1
}
