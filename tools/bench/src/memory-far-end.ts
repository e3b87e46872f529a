/** A far process of the memory bench: hosts the home of the pages, the node where they lie or the one that reads them; anew for each round. Ends with its parent. */
import { connect } from "@nats-io/transport-node"
import { BARE_PAGE, hostPart, PARTS, type Hosting, type Order, type Part, type Round } from "./memory-ends.ts"

const [url = "", user = "", password = "", name = ""] = process.argv.slice(2)
const part: Part | undefined = PARTS.find((each) => each === name)
if (part === undefined) throw new Error(`a far end is one of ${PARTS.join(", ")}`)
process.once("disconnect", () => process.exit(0))

const connection = await connect({ servers: url, user, pass: password })
if (part === "owner") {
  const page = new Uint8Array(4096)
  connection.subscribe(BARE_PAGE, { callback: (_, message) => void message.respond(page) })
}
let host: Hosting | null = null

async function begin(round: Round): Promise<number> {
  host = await hostPart(connection, part as Part, round)
  await connection.flush()
  return round.round
}

process.on("message", (order: Order) => {
  if (order === "read") return void host?.read().then((seconds) => process.send?.(seconds))
  host?.end()
  host = null
  if (order !== "end") void begin(order).then((round) => process.send?.(round))
})
await connection.flush()
process.send?.("ready")
