/** How all tests of the workspace run: one configuration, from the root. `npx vitest run --config tools/test/vitest.config.ts <folder>`. */
import { join } from "node:path"
import { defineConfig } from "vitest/config"
import { CountReporter } from "./src/count-reporter.ts"
import { SlowFirstSequencer } from "./src/slow-first.ts"

const ROOT = join(import.meta.dirname, "../..")
const IGNORED = ["**/node_modules/**", "**/dist/**", "**/.nx/**", "**/.backplane/**", "**/tmp/**"]

export default defineConfig({
  root: ROOT,
  // Vite must not look for style sheets, public files or .env of the tree.
  publicDir: false,
  envDir: false,
  cacheDir: join(ROOT, "node_modules/.vite"),
  test: {
    include: ["{apps,libs,infra,tools}/**/*.test.ts"],
    exclude: IGNORED,
    watch: false,
    pool: "forks",
    // One more than the two cores that are asked for: tests of real processes wait for most of their time.
    maxWorkers: 3,
    sequence: { sequencer: SlowFirstSequencer },
    // Generous: the limit is there to end a hang, not to measure. Many tests start real processes on a busy machine.
    testTimeout: 180_000,
    hookTimeout: 120_000,
    teardownTimeout: 10_000,
    // Only where a machine decides: tests with real processes on a shared computer. The reporter names each test that needed it.
    retry: process.env["CI"] === undefined ? 0 : 1,
    reporters: ["default", new CountReporter()],
  },
})
