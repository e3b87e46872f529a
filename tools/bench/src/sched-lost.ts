/**
 * A node with CPUs that are never short of work, here, and its scheduler in the other process: what share of their time the CPUs wait for
 * decisions, counted by the node itself (`lostCycles`). Free mode, slices of 100 ms as in the demo.
 */
import { actorId } from "@backplane/foundation-actor/actor-id"
import type { Body, Machine } from "@backplane/foundation-actor/machine"
import { send } from "@backplane/foundation-actor/effects"
import { ActorHost } from "@backplane/foundation-runtime/actor-host"
import { NatsBus } from "@backplane/foundation-runtime/nats-bus"
import { PacedClock, wallMilliseconds } from "@backplane/foundation-runtime/paced-clock"
import { RandomSpanIds } from "@backplane/foundation-runtime/random-span-ids"
import { MemorySink } from "@backplane/foundation-runtime/sinks"
import { MemoryStore } from "@backplane/foundation-runtime/store"
import { NodeMachine } from "@backplane/compute-node/node"
import { MemoryControllerMachine } from "@backplane/memory-controller/memory-controller"
import { MessageCodec } from "@backplane/scenario-codec/message-codec"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import { HYPERVISOR, MEMORY_CONTROLLER, nodeActor } from "@backplane/scenario-machine/topology"
import type { NatsConnection } from "@nats-io/nats-core"

const CPUS = 4
const TASKS = 12
const FOREVER = 1_000_000_000
/** The first slices are those in which everybody attaches. */
const WARMUP_MILLISECONDS = 500
const SECONDS = 3
/** Where the far end is told to host the scheduler of this machine. */
export const BEGIN_MACHINE = "bench.begin-machine"

function lostSpec(prefetch: boolean, life: number): MachineSpec {
  return resolveMachineSpec({
    name: `bench-lost-${life}`,
    topology: { nodes: 1, cpus: CPUS },
    schedule: { policy: "rr", sliceTicks: 10, ...(prefetch && { prefetch }) },
    clock: { mode: "free", tickCycles: 1_000_000, cyclesPerSecond: 100_000_000 },
    jobs: [],
  })
}

/** Only as much of a hypervisor as the node needs: it begins the tasks when the node has said its first word. */
class Starter implements Machine {
  #hasBegun = false

  start(): ReturnType<Machine["start"]> {
    return []
  }

  step(_now: number, input: Parameters<Machine["step"]>[1]): ReturnType<Machine["step"]> {
    if (input.kind !== "message" || input.body.kind !== "NodeReport" || this.#hasBegun) return []
    this.#hasBegun = true
    return Array.from({ length: TASKS }, (_, ordinal) => {
      const spec = { task: `t${ordinal}`, attempt: 1, ordinal, run: FOREVER, workingSet: 1, affinity: [] }
      return send(nodeActor(0), { kind: "TaskSubmit", spec, queue: "all", incarnation: 1 } as Body)
    })
  }
}

/** Of the CPUs' time, the part in which they waited for a decision although a task waited. */
export async function measureLost(connection: NatsConnection, prefetch: boolean, life: number): Promise<number> {
  const spec = lostSpec(prefetch, life)
  const silent = { event: () => undefined, span: () => undefined }
  const originMilliseconds = wallMilliseconds()
  const host = new ActorHost({
    machineName: spec.name,
    bus: new NatsBus({ connection, events: new MemorySink(), codec: new MessageCodec() }),
    clock: new PacedClock({ cyclesPerSecond: spec.clock.cyclesPerSecond, originMilliseconds }),
    store: new MemoryStore(),
    events: silent,
    spans: silent,
    spanIds: new RandomSpanIds(),
    onFatal: (error) => {
      throw error
    },
  })
  const node = new NodeMachine({ spec, node: 0, incarnation: 1 })
  await host.add({ actor: HYPERVISOR, epoch: 1, machine: new Starter() })
  await host.add({ actor: MEMORY_CONTROLLER, epoch: 1, machine: new MemoryControllerMachine({ spec, incarnation: 1 }) as Machine })
  await connection.request(BEGIN_MACHINE, JSON.stringify({ spec, originMilliseconds }), { timeout: 10_000 })
  await host.add({ actor: actorId("node.0"), epoch: 1, machine: node as Machine })
  const lost = (): number => node.inspect().cpus.reduce((sum, cpu) => sum + cpu.lostCycles, 0)
  await new Promise((resolve) => setTimeout(resolve, WARMUP_MILLISECONDS))
  const [before, began] = [lost(), performance.now()]
  await new Promise((resolve) => setTimeout(resolve, SECONDS * 1000))
  const cycles = ((performance.now() - began) / 1000) * spec.clock.cyclesPerSecond
  const share = (lost() - before) / (CPUS * cycles)
  const { dispatches } = node.inspect()
  for (const actor of [HYPERVISOR, MEMORY_CONTROLLER, nodeActor(0)]) host.remove(actor)
  if (dispatches < CPUS * SECONDS * 5) throw new Error(`only ${dispatches} slices began in ${SECONDS} s: the machine did not run`)
  return share
}
