/**
 * Cost tables to begin with. Published: the two memory latencies and the caches of `disco1997`, the two of `modern`. The rest is
 * chosen in the range of the time and marked so: figures that rest on it are to be read as shapes and ratios, not as nanoseconds.
 */
import { Rejection } from "./rejection.ts"
import type { TimingInput, TimingPreset, TimingSpec } from "./timing-spec.ts"

type Costs = Omit<TimingSpec, "fidelity" | "preset">

/**
 * The machine that Disco was measured on (Bugnion, Devine, Rosenblum, SOSP 1997, section 5): FLASH as SimOS simulated it, a CPU a node,
 * 300 ns to the node's own memory and 900 ns to another's. R10000: caches of 32 KiB in two ways, 64 TLB entries, refilled by software;
 * 1 MiB in two ways behind it. One instruction a cycle at twice the R10000's 200 MHz, as the paper runs its simpler CPU.
 * Chosen: bus, occupancy, the third hop; events from the lengths of handlers that the paper tells of.
 */
const DISCO_1997: Costs = {
  clockMegahertz: 400,
  threadsPerCore: 1,
  protocol: "invalidate",
  placement: "first-touch",
  firstLevel: { bytes: 32_768, ways: 2 },
  secondLevel: { bytes: 1_048_576, ways: 2, hitCycles: 20 },
  tlb: { entries: 64, ways: 64, missCycles: 60 },
  bus: { transferCycles: 40, occupancyCycles: 12 },
  memory: { localNanoseconds: 300, remoteNanoseconds: 900, remoteDirtyNanoseconds: 1200, occupancyNanoseconds: 60 },
  events: {
    trap: 40,
    exit: 120,
    emulate: 150,
    inject: 100,
    shadowFill: 300,
    shadowFlush: 400,
    device: 600,
    hypercall: 200,
    interrupt: 400,
    contextSwitch: 2_000,
    machineSwitch: 3_000,
    pageFault: 1_200,
    pageCopy: 6_000,
    shootdown: 1_200,
  },
}

/**
 * A server of today: 80 ns to local memory and 140 ns to the other socket (what `mlc` and vendors' guides give for two sockets), 3 GHz.
 * Chosen: sizes of caches and TLB as common in 2020s cores; events in the range that KVM's own microbenchmarks show.
 */
const MODERN: Costs = {
  clockMegahertz: 3_000,
  threadsPerCore: 1,
  protocol: "invalidate",
  placement: "first-touch",
  firstLevel: { bytes: 32_768, ways: 8 },
  secondLevel: { bytes: 8_388_608, ways: 16, hitCycles: 30 },
  tlb: { entries: 1_536, ways: 12, missCycles: 35 },
  bus: { transferCycles: 50, occupancyCycles: 6 },
  memory: { localNanoseconds: 80, remoteNanoseconds: 140, remoteDirtyNanoseconds: 200, occupancyNanoseconds: 4 },
  events: {
    trap: 100,
    exit: 1_200,
    emulate: 300,
    inject: 400,
    shadowFill: 1_000,
    shadowFlush: 1_000,
    device: 2_500,
    hypercall: 1_300,
    interrupt: 2_000,
    contextSwitch: 3_000,
    machineSwitch: 6_000,
    pageFault: 1_500,
    pageCopy: 1_500,
    shootdown: 2_500,
  },
}

export const PRESETS: Readonly<Record<TimingPreset, Costs>> = { modern: MODERN, disco1997: DISCO_1997 }

/** Whole costs from what was given; the rest is the preset's. A `Rejection` names a field that cannot be. */
export function resolveTiming(given: TimingInput = {}): TimingSpec {
  const preset = given.preset ?? "modern"
  const costs = PRESETS[preset]
  const { firstLevel, secondLevel, tlb, bus, memory, events, ...single } = given
  const spec: TimingSpec = {
    ...costs,
    ...single,
    fidelity: given.fidelity ?? "functional",
    preset,
    firstLevel: { ...costs.firstLevel, ...firstLevel },
    secondLevel: { ...costs.secondLevel, ...secondLevel },
    tlb: { ...costs.tlb, ...tlb },
    bus: { ...costs.bus, ...bus },
    memory: { ...costs.memory, ...memory },
    events: { ...costs.events, ...events },
  }
  checkTiming(spec)
  return spec
}

export const LINE_BYTES = 64

/** What more than one number must agree on. */
export function checkTiming(spec: TimingSpec): void {
  const { firstLevel, secondLevel, tlb, memory } = spec
  const sets = (field: string, total: number, ways: number, what: string): void => {
    const count = total / ways
    if (!Number.isInteger(count) || count < 1 || (count & (count - 1)) !== 0)
      throw new Rejection(`timing.${field}`, `${what} make ${count} sets, and sets are a power of two; change ways`)
  }
  sets("firstLevel.ways", firstLevel.bytes / LINE_BYTES, firstLevel.ways, `${firstLevel.bytes} bytes in ${firstLevel.ways} ways`)
  sets("secondLevel.ways", secondLevel.bytes / LINE_BYTES, secondLevel.ways, `${secondLevel.bytes} bytes in ${secondLevel.ways} ways`)
  sets("tlb.ways", tlb.entries, tlb.ways, `${tlb.entries} entries in ${tlb.ways} ways`)
  if (memory.remoteNanoseconds < memory.localNanoseconds)
    throw new Rejection(
      "timing.memory.remoteNanoseconds",
      "another node's memory is not nearer than a node's own; give at least localNanoseconds",
    )
}
