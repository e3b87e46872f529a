/**
 * The pictures of the root README and the commands that make them. `npx nx run catalogue:pictures` draws them anew.
 *
 * A picture by a command is what a reader gets who types the same; a test runs it again and compares.
 */
import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { ROOT } from "./catalogue-files.ts"
import { servicesSvg } from "./services-svg.ts"

export const PICTURES_FOLDER = join(import.meta.dirname, "../pictures")

/** Name of the file → arguments of `npx backplane`, without `--svg FILE`. */
export const COMMANDS: Readonly<Record<string, string>> = {
  "comparison.svg": "compare --sets 40",
  "scoreboard.svg":
    "sched compare --seeds 2 --workloads ostep,imbalance,pinned,weights,thief,bimodal,wake-up,fork-join,barrier-vm,numa,energy --policies sqms,mqms,mqms-steal,mqms-warm,cfs,eevdf,stride,credit,gang,numa,eas",
  "wasted-cores.svg": "sched headline wasted-cores",
  "migration.svg": "trace sim migration apps/hypervisor/scenarios/a-job-moves.yaml",
  "schedule.svg": "jobs --cpus 2 --list a:100:100,b:100:50,c:100:50 --per-cpu-queues --peek 10 --compat ostep",
}

/** Runs the command and gives the picture that it wrote. */
export function pictureBy(command: string): string {
  const folder = mkdtempSync(join(tmpdir(), "backplane-picture-"))
  const file = join(folder, "picture.svg")
  try {
    const args = [join(ROOT, "apps/cli/src/main.ts"), ...command.split(" "), "--svg", file]
    execFileSync(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] })
    return readFileSync(file, "utf8")
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

export function drawAll(): void {
  writeFileSync(join(PICTURES_FOLDER, "services.svg"), servicesSvg())
  for (const [name, command] of Object.entries(COMMANDS)) writeFileSync(join(PICTURES_FOLDER, name), pictureBy(command))
}
