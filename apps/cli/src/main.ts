/** The `backplane` command: one file a command under `commands/`; this one only joins them. */
import { Command } from "commander"
import { register as bench } from "./commands/bench.ts"
import { register as compare } from "./commands/compare.ts"
import { register as jobs } from "./commands/jobs.ts"
import { register as processes } from "./commands/processes.ts"
import { register as run } from "./commands/run.ts"
import { register as sched } from "./commands/sched.ts"
import { register as status } from "./commands/status.ts"
import { register as trace } from "./commands/trace.ts"
import { reportFailure } from "./failure.ts"

const program = new Command("backplane")
  .description("A virtualised multiprocessor whose parts are services on a message bus")
  .version("0.1.0")
  .showHelpAfterError("(see --help)")
  .option("--home <folder>", "folder of the stack's state; default: .backplane in the checkout")

for (const register of [jobs, run, compare, status, processes, sched, trace, bench]) register(program)

try {
  await program.parseAsync(process.argv)
} catch (error) {
  process.exitCode = reportFailure(error, process.argv.includes("--json"))
}
