/**
 * A vitest reporter that ends the run with `N passed, N failed` alone on its line.
 *
 * Under `npm test` (BACKPLANE_TEST_COUNTS names a file) it writes the counts there instead: the line then closes the whole run.
 */
import { writeFileSync } from "node:fs"
import type { Reporter, TestCase, TestModule } from "vitest/node"
import { addCounts, countsLine, NO_COUNTS, type Counts } from "./counts.ts"

export class CountReporter implements Reporter {
  #counts: Counts = NO_COUNTS

  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const loose = { passed: 0, failed: errors.length, skipped: 0 }
    this.#counts = modules.map(countModule).reduce(addCounts, loose)
    // Written now, with vitest's own lines: a second try must not pass unseen.
    for (const test of modules.flatMap((module) => [...module.children.allTests()]).filter(isFlaky)) {
      process.stdout.write(`second try needed: ${test.module.relativeModuleId} > ${test.fullName}\n`)
    }
    const file = process.env["BACKPLANE_TEST_COUNTS"]
    if (file !== undefined) return writeFileSync(file, JSON.stringify(this.#counts))
    // Vitest prints its own summary in the same turn, after or before us: the line must be the last one.
    process.once("exit", () => process.stdout.write(`${countsLine(this.#counts)}\n`))
  }
}

function isFlaky(test: TestCase): boolean {
  return test.diagnostic()?.flaky === true
}

function countModule(module: TestModule): Counts {
  const counts = { passed: 0, failed: 0, skipped: 0 }
  for (const test of module.children.allTests()) {
    const { state } = test.result()
    if (state === "passed") counts.passed++
    else if (state === "skipped") counts.skipped++
    else counts.failed++
  }
  // A file that could not be loaded, or a failed hook, is a failure although no test of it failed.
  const broken = module.state() === "failed" && counts.failed === 0 ? 1 : 0
  return { ...counts, failed: counts.failed + broken }
}
