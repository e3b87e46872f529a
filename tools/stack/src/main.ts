/** `node tools/stack/src/main.ts <command>`: what the nx targets of the project `stack` run. */
import { down, kill, logs, status } from "./commands.ts"
import { doctor } from "./doctor.ts"
import { HELP, parseInvocation, UsageError } from "./options.ts"
import { homeOf } from "./stack-layout.ts"
import { up } from "./up.ts"

/**
 * nx takes any end of a continuous task that nobody depends on for a success, unless it ended as if by a signal: then nx exits with 130.
 * `stack:up --detach` must not look well when it failed.
 */
const FAILED_UNDER_NX = 143

/** Returns the exit code: 0 well, 1 it failed, 2 wrongly asked. */
export async function main(args: readonly string[]): Promise<number> {
  // `stack:logs -f | head`: nobody reads any more. A stack that is coming up must not be left half started because of that.
  process.stdout.on("error", () => args[0] === "up" || process.exit(0))
  const code = await run(args)
  const continuousTask = process.env["NX_TASK_TARGET_TARGET"] === "up" && process.env["NX_TASK_TARGET_PROJECT"]?.endsWith("stack") === true
  return code !== 0 && continuousTask && args[0] === "up" ? FAILED_UNDER_NX : code
}

async function run(args: readonly string[]): Promise<number> {
  if (args.includes("--help") || args.includes("-h")) return (console.log(HELP), 0)
  try {
    const invocation = parseInvocation(args)
    const home = homeOf(invocation)
    switch (invocation.command) {
      case "up":
        return await up(invocation, args)
      case "down":
        return await down(home)
      case "status":
        return status(home, invocation.json)
      case "logs":
        return await logs(home, invocation.target, invocation.follow)
      case "kill":
        return kill(home, invocation.target ?? "")
      case "doctor":
        return await doctor(home, invocation.json)
    }
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    console.error(error.message)
    return 2
  }
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2))
