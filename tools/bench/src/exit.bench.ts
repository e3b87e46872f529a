/**
 * What an exit costs where it is handled in the node: a guest whose kernel is called again and again, every privileged instruction trapped,
 * against an engine that is left and entered again by nobody for nothing; and what the trap ring adds. `bus_ratio`: the same exit handled by a
 * hypervisor in another process over NATS (`--trap-path bus`), against a bare request of as many bytes, in time.
 *
 * `swift_us`: the same guest where most exits (CSRs) are answered by the VMM's handler inside the engine's module; the others are not, and are in it.
 *
 * CPU time of this process over exits, the guest's own twenty instructions between two exits included. Boot is taken off by a run that makes
 * no calls.
 */
import { readFileSync } from "node:fs"
import { assert } from "@backplane/foundation-base/assert"
import { WasmEngine } from "@backplane/compute-engine/engine"
import { RAM_BASE } from "@backplane/compute-contract/engine"
import { TrapRing } from "@backplane/foundation-telemetry/trap-ring"
import { readImage } from "@backplane/compute-image/image"
import { imagePath, readManifest } from "@backplane/guests/manifest"
import { commandLine, MICRO_BYTES } from "@backplane/trap-vmm/suite/micro-guest"
import { machineBytesFor, Vmm } from "@backplane/trap-vmm/vmm"
import type { BootImage } from "@backplane/trap-board/board-types"
import type { NatsConnection } from "@nats-io/nats-core"
import type { Bench, BenchOptions, Figure } from "./bench.ts"
import { perBareRequest, perBusExit } from "./bus-exits.ts"
import { withFarEnd } from "./far-end.ts"
import { figureOf, interleaved } from "./rounds.ts"

const CALLS = 30_000
const INSTRUCTIONS_MAX = 100_000_000
const BARE_EXITS = 200_000
const RING_RECORDS = 4096
/** csrr t0, sscratch; and a jump back to it. */
const BARE_LOOP = Uint8Array.from([0xf3, 0x22, 0x00, 0x14, 0x6f, 0xf0, 0xdf, 0xff])

function microImage(): BootImage {
  const guest = readManifest().guests.find(({ name }) => name === "micro")
  assert(guest !== undefined, "the guest micro is in the manifest")
  const image = readImage(readFileSync(imagePath(guest)), { memory: { base: RAM_BASE, bytes: BigInt(MICRO_BYTES) }, symbols: [] })
  assert(image.kind !== "rejection", "the guest micro can be read")
  return image
}

function cpuMicroseconds(work: () => void): number {
  const started = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(started)
  return user + system
}

interface Run {
  readonly microseconds: number
  readonly exits: number
}

interface How {
  readonly ring: TrapRing | null
  readonly served: "inside" | "outside"
}

function run(image: BootImage, { calls, ring, served }: How & { readonly calls: number }): Run {
  const options = { image, vcpus: 1, memoryBytes: MICRO_BYTES, mode: "trap", served } as const
  const vmm = new Vmm(new WasmEngine({ memoryBytes: machineBytesFor(options), cpus: 1 }), { recorder: ring })
  const vm = vmm.create({ ...options, bootArguments: commandLine({ what: "null call", count: calls }) })
  assert(vm !== null, "the guest fits")
  const microseconds = cpuMicroseconds(() => {
    const stop = vm.run(INSTRUCTIONS_MAX)
    assert(stop.kind === "end" && stop.code === 0, "the guest ends well")
  })
  return { microseconds, exits: vm.ledger.total() }
}

/** Microseconds of one exit, boot taken off. */
function perExit(image: BootImage, how: How): number {
  const boot = run(image, { ...how, calls: 1 })
  const whole = run(image, { ...how, calls: CALLS })
  return (whole.microseconds - boot.microseconds) / (whole.exits - boot.exits)
}

/** Leaving WebAssembly and going back, with nothing done in between. */
function perBareExit(): number {
  const engine = new WasmEngine({ memoryBytes: 1 << 16, cpus: 1 })
  engine.writeMemory(RAM_BASE, BARE_LOOP)
  engine.writePc(0, RAM_BASE)
  const microseconds = cpuMicroseconds(() => {
    for (let exit = 0; exit < BARE_EXITS; exit += 1) {
      assert(engine.run(0, 1000).kind === "system", "the loop leaves each time")
      engine.completeSystem(0, 0n)
    }
  })
  return microseconds / BARE_EXITS
}

async function measure(connection: NatsConnection, options: BenchOptions): Promise<readonly Figure[]> {
  const image = microImage()
  const ring = new TrapRing(RING_RECORDS)
  const rounds = await interleaved(
    {
      resident: () => perExit(image, { ring: null, served: "outside" }),
      swift: () => perExit(image, { ring: null, served: "inside" }),
      recorded: () => perExit(image, { ring, served: "outside" }),
      bare: perBareExit,
      bus: () => perBusExit(connection, image),
      request: () => perBareRequest(connection),
    },
    { ...options, warmups: 2 },
  )
  assert(ring.written > CALLS, "the ring was written")
  const perSecond = (microseconds: readonly number[]): readonly number[] => microseconds.map((value) => 1e6 / value)
  const share = rounds.recorded.map((value, round) => value / (rounds.resident[round] ?? value) - 1)
  const busRatio = rounds.bus.map((value, round) => value / (rounds.request[round] ?? value))
  const baselineName = "the engine left and entered, nothing done"
  return [
    figureOf({ name: "resident_us", unit: "µs", better: "lower" }, { ours: rounds.resident, baseline: rounds.bare, baselineName }),
    figureOf(
      { name: "swift_us", unit: "µs", better: "lower" },
      { ours: rounds.swift, baseline: rounds.resident, baselineName: "resident_us" },
    ),
    figureOf(
      { name: "exits_per_second", unit: "exits/s", better: "higher" },
      { ours: perSecond(rounds.resident), baseline: perSecond(rounds.bare), baselineName },
    ),
    figureOf(
      { name: "bus_ratio", unit: "×", better: "lower" },
      { ours: busRatio, baseline: busRatio.map(() => 1), baselineName: "bare NATS request" },
    ),
    figureOf(
      { name: "ring_share", unit: "of an exit", better: "lower" },
      { ours: share, baseline: [0.1], baselineName: "what it may cost" },
    ),
  ]
}

export const bench: Bench = {
  name: "exit",
  summary: "one exit of a guest handled in the node, and its record, against leaving and entering the engine for nothing",
  run: (options) => withFarEnd("exit-far-end.ts", (connection) => measure(connection, options)),
}
