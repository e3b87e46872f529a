/** A process with one node of a guest over several nodes: node 1 of the test. Ends with its parent. */
import { readFileSync } from "node:fs"
import { connect } from "@nats-io/transport-node"
import type { Machine } from "@backplane/foundation-actor/machine"
import { liveHost, liveNode } from "../live-guest.ts"

const [url = "", user = "", password = "", kernel = "", harts = "2", megabytes = "16"] = process.argv.slice(2)
process.once("disconnect", () => process.exit(0))
const connection = await connect({ servers: url, user, pass: password })
const host = liveHost(connection)
const { machine, ...where } = liveNode(
  { kernel: readFileSync(kernel), harts: Number(harts), nodes: 2, memoryBytes: Number(megabytes) * 2 ** 20 },
  1,
)
await host.add({ ...where, machine: machine as unknown as Machine })
await connection.flush()
process.send?.("ready")
