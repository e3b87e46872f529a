/**
 * The order of test files: those that take long first, so that no worker is left with a long file when the others have nothing more to do
 * (longest processing time first: Graham, "Bounds on multiprocessing timing anomalies", 1969). Vitest's own order is by size of file, which says
 * little here: the longest file of all has ten lines.
 */
import { relative, sep } from "node:path"
import { BaseSequencer, type TestSequencer, type TestSpecification, type Vitest } from "vitest/node"

/**
 * In about the order of their time as once measured, those that compute and those that mostly wait for real processes in turn. A file that is not
 * named comes behind them. The order is all that counts, so it may be old.
 */
export const SLOW_FILES: readonly string[] = [
  "libs/kv/simulation/src/seeds-first-quarter.laws.test.ts",
  "tools/stack/src/live-vms.system.test.ts",
  "libs/kv/simulation/src/seeds-second-quarter.laws.test.ts",
  "tools/stack/src/live-machine.system.test.ts",
  "libs/kv/simulation/src/seeds-third-quarter.laws.test.ts",
  "tools/stack/src/live-disks.system.test.ts",
  "libs/kv/simulation/src/seeds-fourth-quarter.laws.test.ts",
  "apps/simulator/src/coherence/random-tester.test.ts",
  "tools/stack/src/default-flows.system.test.ts",
  "apps/simulator/src/headlines/headlines.test.ts",
  "tools/stack/src/live-follow.system.test.ts",
  "tools/engine-build/src/engine-build.test.ts",
  "tools/stack/src/stack.system.test.ts",
  "libs/trap/vmm/src/served.laws.test.ts",
  "tools/stack/src/machine-chaos.system.test.ts",
  "apps/simulator/src/conform/conform.test.ts",
  "tools/lessons/src/lessons.test.ts",
  "tools/stack/src/live-guests.system.test.ts",
  "tools/catalogue/src/pictures.test.ts",
  "tools/stack/src/external-scheduler.system.test.ts",
  "tools/generators/src/scheduler/generator.system.test.ts",
  "apps/simulator/src/guests.test.ts",
  "tools/stack/src/languages.system.test.ts",
  "apps/simulator/src/policies.laws.test.ts",
  "tools/stack/src/real-stack.system.test.ts",
  "apps/simulator/src/coherence/live-guest.nats.test.ts",
  "libs/kv/simulation/src/kv-world.laws.test.ts",
  "tools/stack/src/live-swap.system.test.ts",
  "apps/simulator/src/soak.test.ts",
  "apps/simulator/src/planted-bugs.test.ts",
  "tools/stack/src/live-memory.system.test.ts",
  "apps/simulator/src/storm/storm.test.ts",
  "apps/simulator/src/shadow.test.ts",
  "libs/memory/coherence/src/checker/checker.test.ts",
  "tools/chaos/src/kv-chaos.test.ts",
  "tools/differential/src/timing-differential.test.ts",
  "libs/foundation/runtime/src/link/link-bus.suite.test.ts",
]

/** `files` in the order of their running: `nameOf` is the path from the root, with slashes. Those of equal rank keep their order. */
export function slowFirst<File>(files: readonly File[], nameOf: (file: File) => string): File[] {
  const ranks = new Map(SLOW_FILES.map((name, rank) => [name, rank]))
  const rankOf = (file: File): number => ranks.get(nameOf(file)) ?? SLOW_FILES.length
  return files.toSorted((left, right) => rankOf(left) - rankOf(right))
}

export class SlowFirstSequencer implements TestSequencer {
  readonly #base: BaseSequencer
  readonly #root: string

  constructor(vitest: Vitest) {
    this.#base = new BaseSequencer(vitest)
    this.#root = vitest.config.root
  }

  async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return slowFirst(await this.#base.sort(files), ({ moduleId }) => relative(this.#root, moduleId).split(sep).join("/"))
  }

  shard(files: TestSpecification[]): Promise<TestSpecification[]> {
    return this.#base.shard(files)
  }
}
