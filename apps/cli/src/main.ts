/**
 * The `backplane` command: one file a command under `commands/`; this one only joins them.
 *
 * Files are loaded when they are asked for: `exec` starts in a tenth of the time that all commands with the bus, telemetry and
 * pictures take. The code cache of Node.js keeps what was compiled from one start to the next.
 */
import { enableCompileCache } from "node:module"
import { dirname } from "node:path"

const { directory } = enableCompileCache()
// The programs that a command starts (simulator, stack, benches) keep theirs in the same place; Node.js itself adds a folder for its version.
if (directory !== undefined) process.env["NODE_COMPILE_CACHE"] ??= dirname(directory)

const { Command } = await import("commander")
const { reportFailure } = await import("./failure.ts")

/** By the name of their file. */
const COMMANDS = {
  jobs: () => import("./commands/jobs.ts"),
  run: () => import("./commands/run.ts"),
  compare: () => import("./commands/compare.ts"),
  status: () => import("./commands/status.ts"),
  processes: () => import("./commands/processes.ts"),
  sched: () => import("./commands/sched.ts"),
  cpu: () => import("./commands/cpu.ts"),
  schedCompare: () => import("./commands/sched-compare.ts"),
  trace: () => import("./commands/trace.ts"),
  bench: () => import("./commands/bench.ts"),
  soak: () => import("./commands/soak.ts"),
  exec: () => import("./commands/exec.ts"),
  boot: () => import("./commands/boot.ts"),
  vm: () => import("./commands/vm.ts"),
  disk: () => import("./commands/disk.ts"),
  console: () => import("./commands/console.ts"),
  ledger: () => import("./commands/ledger.ts"),
  litmus: () => import("./commands/litmus.ts"),
  check: () => import("./commands/check.ts"),
  memory: () => import("./commands/memory.ts"),
  kv: () => import("./commands/kv.ts"),
  chaos: () => import("./commands/chaos.ts"),
  disasm: () => import("./commands/disasm.ts"),
  lesson: () => import("./commands/lesson.ts"),
}
/** Commands that are alone in the file of their name: the others need not be loaded for them. */
const ALONE = [
  "jobs",
  "run",
  "compare",
  "status",
  "cpu",
  "bench",
  "soak",
  "exec",
  "boot",
  "ledger",
  "check",
  "memory",
  "litmus",
  "disasm",
  "lesson",
  "vm",
  "console",
  "kv",
  "chaos",
] as const

const program = new Command("backplane")
  .description("A virtualised multiprocessor whose parts are services on a message bus")
  .version("0.1.0")
  .showHelpAfterError("(see --help)")
  .exitOverride() // inherited by all commands: how they fail is said in one place
  .option("--home <folder>", "folder of the stack's state; default: .backplane in the checkout")

const alone = ALONE.find((name) => name === process.argv[2])
const wanted = alone === undefined ? Object.values(COMMANDS) : [COMMANDS[alone]]
for (const load of wanted) (await load()).register(program)

try {
  await program.parseAsync(process.argv)
} catch (error) {
  process.exitCode = reportFailure(error, process.argv.includes("--json"))
}
