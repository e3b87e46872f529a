/**
 * A service that does nothing but be there, for the tests of the supervisor: `node fake-service.ts <name> [mood]`.
 *
 * Moods: `sound`, `mute` (never answers), `dies` (ends at once), `stubborn` (ignores SIGTERM), `anonymous` (does not tell its instance),
 * `http` (answers on the HTTP port only).
 */
import { appendFileSync } from "node:fs"
import { createServer } from "node:http"
import { join } from "node:path"
import { Svcm } from "@nats-io/services"
import { connect } from "@nats-io/transport-node"

const [name = "fake", mood = "sound"] = process.argv.slice(2)
const instance = process.env["BACKPLANE_INSTANCE"] ?? name
const journal = join(process.env["BACKPLANE_HOME"] ?? ".", "journal.txt")
const note = (event: string): void => appendFileSync(journal, `${instance} ${event}\n`)

note("started")
console.log(`${instance} says hello`)
if (mood === "dies") process.exit(7)
process.on("SIGTERM", () => {
  note("asked to stop")
  if (mood === "stubborn") return
  process.exit(0)
})
const parent = Number(process.env["BACKPLANE_PARENT_PID"])
setInterval(() => {
  try {
    process.kill(parent, 0)
  } catch {
    process.exit(0)
  }
}, 500)
if (mood === "http") {
  createServer((request, response) => response.writeHead(request.url === "/readyz" ? 200 : 404).end()).listen(
    Number(process.env["BACKPLANE_GATEWAY_PORT"]),
    "127.0.0.1",
  )
} else if (mood !== "mute") {
  const user = process.env["BACKPLANE_NATS_USER"] ?? ""
  const pass = process.env["BACKPLANE_NATS_PASSWORD"] ?? ""
  const connection = await connect({ servers: process.env["NATS_URL"] ?? "", user, pass, maxReconnectAttempts: -1, reconnectTimeWait: 100 })
  const metadata = mood === "anonymous" ? {} : { instance }
  connection.subscribe(`bp.ctl.host.${instance}`, {
    callback: (_, message) => {
      message.respond(JSON.stringify({ ok: message.json<{ op: string }>().op === "cut", reason: "cut only" }))
    },
  })
  await new Svcm(connection).add({ name, version: "0.1.0", metadata })
}
