/** A far process of the memory bench: hosts the home of the pages, or the node where they lie; anew for each round. Ends with its parent. */
import { connect } from "@nats-io/transport-node"
import { BARE_PAGE, hostPart, PARTS, type Hosted, type Part, type Round } from "./memory-ends.ts"

const [url = "", user = "", password = "", name = ""] = process.argv.slice(2)
const part: Part | undefined = PARTS.find((each) => each === name)
if (part === undefined) throw new Error(`a far end is one of ${PARTS.join(", ")}`)
process.once("disconnect", () => process.exit(0))

const connection = await connect({ servers: url, user, pass: password })
if (part === "owner") {
  const page = new Uint8Array(4096)
  connection.subscribe(BARE_PAGE, { callback: (_, message) => void message.respond(page) })
}
let host: Hosted | null = null
process.on("message", (round: Round) => {
  host?.end()
  void hostPart(connection, part, round).then(async (next) => {
    host = next
    await connection.flush()
    process.send?.(round.round)
  })
})
await connection.flush()
process.send?.("ready")
