/**
 * Runs a script with a nats-server of its own: `node with-nats-server.ts <script> [argument…]`, the script from the root of the
 * repository. It finds address, user and password as JSON in `BACKPLANE_GIVEN_NATS`; the server ends with it, and its exit code is ours.
 */
import { spawn } from "node:child_process"
import { resolve } from "node:path"
import { startNatsServer } from "@backplane/nats/start-server"

const USER = "given"
const ROOT = resolve(import.meta.dirname, "../../..")
const [script, ...args] = process.argv.slice(2)
if (script === undefined) throw new Error("with-nats-server: give the script to run")
const server = await startNatsServer({ unrestrictedUsers: [USER] })
const given = { url: server.url, user: USER, password: server.credentials.get(USER) ?? "" }
const child = spawn(process.execPath, [resolve(ROOT, script), ...args], {
  stdio: "inherit",
  env: { ...process.env, BACKPLANE_GIVEN_NATS: JSON.stringify(given) },
})
// A terminal's interrupt reaches the child as well: it ends, and then so do we.
process.on("SIGINT", () => undefined)
for (const signal of ["SIGTERM", "SIGHUP"] as const) process.on(signal, () => child.kill(signal))
process.exitCode = await new Promise<number>((done) => child.once("exit", (code) => done(code ?? 1)))
await server.stop()
