/** From a scenario's cost table to what the timed engine and the reference are configured with: sets, and cycles for nanoseconds. */
import { LINE_BYTES } from "@backplane/scenario-machine/timing-presets"
import type { TimingParameters } from "@backplane/compute-contract/timing"
import type { TimingSpec } from "@backplane/scenario-machine/timing-spec"

/** `nodes`: of the machine; its CPUs are the engine's. A cost table that passed `checkTiming` gives whole powers of two. */
export function timingParameters(spec: TimingSpec, { nodes }: { readonly nodes: number }): TimingParameters {
  const { firstLevel, secondLevel, tlb, bus, memory, events, clockMegahertz } = spec
  const cycles = (nanoseconds: number): number => Math.round((nanoseconds * clockMegahertz) / 1000)
  const sets = (bytes: number, ways: number): number => bytes / LINE_BYTES / ways
  return {
    nodes,
    threadsPerCore: spec.threadsPerCore === 2 ? 2 : 1,
    firstLevel: { sets: sets(firstLevel.bytes, firstLevel.ways), ways: firstLevel.ways },
    secondLevel: { sets: sets(secondLevel.bytes, secondLevel.ways), ways: secondLevel.ways, hitCycles: secondLevel.hitCycles },
    tlb: { sets: tlb.entries / tlb.ways, ways: tlb.ways, missCycles: tlb.missCycles },
    transferCycles: bus.transferCycles,
    busOccupancyCycles: bus.occupancyCycles,
    localCycles: cycles(memory.localNanoseconds),
    remoteCycles: cycles(memory.remoteNanoseconds),
    remoteDirtyCycles: cycles(memory.remoteDirtyNanoseconds),
    memoryOccupancyCycles: cycles(memory.occupancyNanoseconds),
    protocol: spec.protocol,
    placement: spec.placement,
    collapseCycles: events.shootdown,
  }
}
