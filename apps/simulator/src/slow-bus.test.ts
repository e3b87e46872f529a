/** A live bus is slower than a machine's own idea of a message: schedulers that ask each other for work must wait for the answers. */
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import { expect, it } from "vitest"
import { machineWorld, outcomeOf } from "./simulate.ts"

it.each(["mqms-warm", "cfs", "eevdf", "mqms-steal"] as const)(
  "%s moves work to idle CPUs, although answers take 200 times as long",
  (policy) => {
    const spec = resolveMachineSpec({
      name: "slow-bus",
      topology: { cpus: 4 },
      cache: { warmRate: 1 },
      schedule: { policy, sliceTicks: 5 },
      clock: { mode: "free", tickCycles: 1_000_000, latencyCycles: 100 },
      // Every fourth is long: as they are dealt, all long ones are CPU 0's.
      jobs: Array.from({ length: 8 }, (_, index) => ({ name: `t${index}`, run: index % 4 === 0 ? 200 : 20, workingSet: 0 })),
    })
    const world = machineWorld(spec, { fingerprint: "off", latency: 20_000 })
    world.run({ stop: () => outcomeOf(world) !== null })
    const outcome = outcomeOf(world)
    const result = outcome !== null && "result" in outcome ? outcome.result : null
    expect(result?.migrations).toBeGreaterThan(0)
    expect(result?.finish).toBeLessThan(300)
  },
)
