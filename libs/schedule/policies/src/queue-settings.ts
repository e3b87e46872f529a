/** What an instance of a policy is made with. */
import { CAPACITY_MAX, type PowerSpec } from "@backplane/scenario-machine/power-spec"

export interface CpuPlace {
  readonly cpu: number
  readonly node: number
  /** CPUs of one core share it (SMT). */
  readonly core: number
  /** Work it does in a tick, of 1024 for the fastest. */
  readonly capacity: number
}

export interface QueueSettings {
  readonly seed: number | string
  /** Name of the queue: with the seed, it names the stream of chance. */
  readonly queue: string
  /** CPUs that the queue feeds, ascending. */
  readonly cpus: readonly number[]
  /** Time slice of the machine; at least 1. */
  readonly sliceTicks: number
  /** Of the cache of a CPU, in the units of working sets; absent: nothing fits. */
  readonly cacheSize?: number
  /** What CPUs draw, and how fast they may run; absent: all alike, at one speed, at no cost. */
  readonly power?: PowerSpec
  /** Where the CPUs lie; a CPU that is not named lies on node 0, alone on its core, at full capacity. */
  readonly places?: readonly CpuPlace[]
}

export { CAPACITY_MAX }

export function placeOf({ places }: QueueSettings, cpu: number): CpuPlace {
  return places?.find((place) => place.cpu === cpu) ?? { cpu, node: 0, core: cpu, capacity: CAPACITY_MAX }
}
