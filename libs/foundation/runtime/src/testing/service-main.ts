/** The smallest main of a service: for tests of what only a real process shows (signals, parents). */
import { plainCodec } from "../body-codec.ts"
import { readServiceEnvironment } from "../service-environment.ts"
import { startService } from "../service.ts"
import { MemorySink } from "../sinks.ts"

const sink = new MemorySink()
const service = await startService({
  service: "numa-node",
  environment: readServiceEnvironment("numa-node", process.env, process.argv.slice(2), process.pid),
  actorFactory: () => ({ start: () => [], step: () => [] }),
  codec: plainCodec,
  events: sink,
  spans: sink,
})
console.log("ready")
process.exitCode = await service.stopped
