/**
 * The order of test files: those that take long first, so that no worker is left with a long file when the others have nothing more to do
 * (longest processing time first: Graham, "Bounds on multiprocessing timing anomalies", 1969). Vitest's own order is by size of file, which says
 * little here: the longest file of all has ten lines.
 */
import { relative, sep } from "node:path"
import { BaseSequencer, type TestSequencer, type TestSpecification, type Vitest } from "vitest/node"

/** Longest first, as once measured; a file that is not named comes behind them. The order is all that counts, so it may be old. */
export const SLOW_FILES: readonly string[] = [
  "libs/kv/simulation/src/seeds-first-quarter.laws.test.ts",
  "libs/kv/simulation/src/seeds-second-quarter.laws.test.ts",
  "libs/kv/simulation/src/seeds-third-quarter.laws.test.ts",
  "libs/kv/simulation/src/seeds-fourth-quarter.laws.test.ts",
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
