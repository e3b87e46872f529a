/** The other process of the exit bench: a hypervisor as its service hosts it, and a bare echo. Ends with its parent. */
import { ActorHost } from "@backplane/foundation-runtime/actor-host"
import { NatsBus } from "@backplane/foundation-runtime/nats-bus"
import { PacedClock, wallMilliseconds } from "@backplane/foundation-runtime/paced-clock"
import { RandomSpanIds } from "@backplane/foundation-runtime/random-span-ids"
import { MemorySink } from "@backplane/foundation-runtime/sinks"
import { MemoryStore } from "@backplane/foundation-runtime/store"
import type { Machine } from "@backplane/foundation-actor/machine"
import { MessageCodec } from "@backplane/scenario-codec/message-codec"
import { HYPERVISOR } from "@backplane/scenario-machine/topology"
import { HypervisorMachine } from "@backplane/trap-hypervisor/hypervisor"
import { connect } from "@nats-io/transport-node"
import { BARE_ECHO } from "./bus-ends.ts"
import { benchSpec } from "./sched-ends.ts"

const [url = "", user = "", password = ""] = process.argv.slice(2)
process.once("disconnect", () => process.exit(0))

const connection = await connect({ servers: url, user, pass: password })
const spec = benchSpec()
/** Nobody looks: the bench measures exits, not what is told of them. */
const silent = { event: () => undefined, span: () => undefined }
const host = new ActorHost({
  machineName: spec.name,
  bus: new NatsBus({ connection, events: new MemorySink(), codec: new MessageCodec() }),
  clock: new PacedClock({ cyclesPerSecond: spec.clock.cyclesPerSecond, originMilliseconds: wallMilliseconds() }),
  store: new MemoryStore(),
  events: silent,
  spans: silent,
  spanIds: new RandomSpanIds(),
  onFatal: (error) => {
    throw error
  },
})
await host.add({ actor: HYPERVISOR, epoch: 1, machine: new HypervisorMachine({ spec }) as Machine })
connection.subscribe(BARE_ECHO, { callback: (_, message) => void message.respond(message.data) })
await connection.flush()
process.send?.("ready")
