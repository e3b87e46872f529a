/** Exits that go over NATS to the hypervisor and back, one at a time, and bare requests with the same bytes. Both in microseconds. */
import { assert } from "@backplane/foundation-base/assert"
import { WasmEngine } from "@backplane/compute-engine/engine"
import { NatsBus } from "@backplane/foundation-runtime/nats-bus"
import { MemorySink } from "@backplane/foundation-runtime/sinks"
import { MessageCodec } from "@backplane/scenario-codec/message-codec"
import { HYPERVISOR, nodeActor } from "@backplane/scenario-machine/topology"
import { commandLine, MICRO_BYTES } from "@backplane/trap-vmm/suite/micro-guest"
import { machineBytesFor, Vmm } from "@backplane/trap-vmm/vmm"
import type { BootImage } from "@backplane/trap-board/board-types"
import type { VmEntry, VmExit } from "@backplane/trap-contract/vm-exit-messages"
import type { NatsConnection } from "@nats-io/nats-core"
import { BARE_ECHO } from "./bus-ends.ts"
import { benchSpec } from "./sched-ends.ts"

const EXITS = 3_000
const WARMUP_EXITS = 300
const CALLS = 1_000_000
const BUDGET = 1_000_000
const NODE = nodeActor(0)

/** A guest whose kernel is called for ever, as a node runs it: each exit becomes a question, each answer is done to it. */
export async function perBusExit(connection: NatsConnection, image: BootImage): Promise<number> {
  const options = { image, vcpus: 1, memoryBytes: MICRO_BYTES, mode: "trap", turns: "scheduled", exits: "bus" } as const
  const vmm = new Vmm(new WasmEngine({ memoryBytes: machineBytesFor(options), cpus: 1 }))
  const vm = vmm.create({ ...options, bootArguments: commandLine({ what: "null call", count: CALLS }) })
  assert(vm !== null, "the guest fits")
  const bus = new NatsBus({ connection, events: new MemorySink(), codec: new MessageCodec() })
  let started = 0
  let sequence = 0
  return new Promise((resolve) => {
    const goOn = (): void => {
      while (vm.runVcpu(0, { budget: BUDGET, waited: 0 }).kind !== "exit") continue
      const held = vm.heldExits.question(0)
      assert(held !== null, "a vCPU that has left with an exit has a question")
      sequence++
      const body: VmExit = { kind: "VmExit", vm: "guest", life: 1, vcpu: 0, sequence, node: 0, ...held.question }
      bus.publish({ machine: benchSpec().name, from: NODE, to: HYPERVISOR, body })
    }
    const leave = bus.subscribe(benchSpec().name, NODE, ({ body }) => {
      if (body.kind !== "VmEntry") return
      vm.heldExits.answer(0, (body as VmEntry).answer)
      if (sequence === WARMUP_EXITS) started = performance.now()
      if (sequence < WARMUP_EXITS + EXITS) return goOn()
      leave()
      resolve(((performance.now() - started) / EXITS) * 1e3)
    })
    void connection.flush().then(goOn)
  })
}

/** As large as a question of that guest. */
export async function perBareRequest(connection: NatsConnection, bytes = QUESTION_BYTES): Promise<number> {
  const payload = new Uint8Array(bytes).fill(0x20)
  const ask = (): Promise<unknown> => connection.request(BARE_ECHO, payload, { timeout: 10_000 })
  for (let count = 0; count < WARMUP_EXITS; count++) await ask()
  const started = performance.now()
  for (let count = 0; count < EXITS; count++) await ask()
  return ((performance.now() - started) / EXITS) * 1e3
}

/** Bytes of a `VmExit` of the micro guest, as JSON. */
const QUESTION_BYTES = 700
