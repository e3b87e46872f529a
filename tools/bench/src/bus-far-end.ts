/** The other process of the bus bench: echoes and counts, over our bus and over the bare client. Ends with its parent. */
import { connect } from "@nats-io/transport-node"
import { BARE_COUNT, BARE_COUNTED, BARE_ECHO, busOver, CLIENT, COUNTED_EVERY, COUNTER, echo, ECHO, hostOver, MACHINE } from "./bus-ends.ts"

const [url = "", user = "", password = ""] = process.argv.slice(2)
process.once("disconnect", () => process.exit(0))

const connection = await connect({ servers: url, user, pass: password })
const bus = busOver(connection)
const host = hostOver(bus)
await host.add({ actor: ECHO, epoch: 1, machine: echo() })

let heard = 0
bus.subscribe(MACHINE, COUNTER, () => {
  if (++heard % COUNTED_EVERY === 0) bus.publish({ machine: MACHINE, from: COUNTER, to: CLIENT, body: { kind: "Counted" } })
})

connection.subscribe(BARE_ECHO, { callback: (_, message) => void message.respond(message.data) })
let bareHeard = 0
connection.subscribe(BARE_COUNT, {
  callback: () => {
    if (++bareHeard % COUNTED_EVERY === 0) connection.publish(BARE_COUNTED, "")
  },
})
await connection.flush()
process.send?.("ready")
