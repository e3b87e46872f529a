/** A process with one part of a guest over several nodes: a node of it, or its memory controller. Ends with its parent. */
import { connect } from "@nats-io/transport-node"
import { liveController, liveHost, liveNode, readGuest, type LivePart } from "./live-guest.ts"

const part = JSON.parse(process.argv[2] ?? "{}") as LivePart
process.once("disconnect", () => process.exit(0))
const { url, user, password } = part.server
const connection = await connect({ servers: url, user, pass: password })
const host = liveHost(connection)
const guest = readGuest(part.guest)
await host.add(part.role === "controller" ? liveController(guest, part.epoch) : liveNode(guest, part.node))
await connection.flush()
process.send?.("ready")
