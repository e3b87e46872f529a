/** The other process of the scheduler bench: `scheduler.all` as its service hosts it, and a bare echo. Ends with its parent. */
import { ActorHost } from "@backplane/foundation-runtime/actor-host"
import { NatsBus } from "@backplane/foundation-runtime/nats-bus"
import { PacedClock, wallMilliseconds } from "@backplane/foundation-runtime/paced-clock"
import { RandomSpanIds } from "@backplane/foundation-runtime/random-span-ids"
import { MemorySink } from "@backplane/foundation-runtime/sinks"
import { MemoryStore } from "@backplane/foundation-runtime/store"
import type { Machine } from "@backplane/foundation-actor/machine"
import { MessageCodec } from "@backplane/scenario-codec/message-codec"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { SchedulerMachine } from "@backplane/schedule-scheduler/scheduler"
import { connect } from "@nats-io/transport-node"
import { BARE_ECHO } from "./bus-ends.ts"
import { benchSpec, QUEUE, SCHEDULER } from "./sched-ends.ts"
import { BEGIN_MACHINE } from "./sched-lost.ts"

const [url = "", user = "", password = ""] = process.argv.slice(2)
process.once("disconnect", () => process.exit(0))

const connection = await connect({ servers: url, user, pass: password })
const spec = benchSpec()
/** Nobody looks: the bench measures decisions, not what is told of them. */
const silent = { event: () => undefined, span: () => undefined }
const bus = new NatsBus({ connection, events: new MemorySink(), codec: new MessageCodec() })
const hostOf = ({ name, clock }: MachineSpec, originMilliseconds: number): ActorHost =>
  new ActorHost({
    machineName: name,
    bus,
    clock: new PacedClock({ cyclesPerSecond: clock.cyclesPerSecond, originMilliseconds }),
    store: new MemoryStore(),
    events: silent,
    spans: silent,
    spanIds: new RandomSpanIds(),
    onFatal: (error) => {
      throw error
    },
  })
const host = hostOf(spec, wallMilliseconds())
connection.subscribe(BARE_ECHO, { callback: (_, message) => void message.respond(message.data) })
connection.subscribe("bench.begin", {
  // A new life for each round: it attaches anew, and knows nothing of the round before.
  callback: (_, message) => {
    host.remove(SCHEDULER)
    const generation = Number(message.string())
    const machine = new SchedulerMachine({ spec, queue: QUEUE, generation }) as Machine
    void host.add({ actor: SCHEDULER, epoch: generation, machine }).then(() => message.respond(""))
  },
})
connection.subscribe(BEGIN_MACHINE, {
  callback: (_, message) => {
    const { spec: whole, originMilliseconds } = message.json<{ spec: MachineSpec; originMilliseconds: number }>()
    const own = hostOf(whole, originMilliseconds)
    const machine = new SchedulerMachine({ spec: whole, queue: QUEUE, generation: 1 }) as Machine
    void own.add({ actor: SCHEDULER, epoch: 1, machine }).then(() => message.respond(""))
  },
})
await connection.flush()
process.send?.("ready")
