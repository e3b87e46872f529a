/** How a command fails: one clear line on standard error, the same as JSON on standard output with `--json`, and an exit code. */
import { Rejection } from "@backplane/scenario-machine/rejection"

/** Exit code of a command that was asked for something impossible: guests have the codes up to 1 for themselves. */
const BAD_INPUT = 2

/** A failure with a kind that programs can look at. */
export class CommandFailure extends Error {
  override readonly name = "CommandFailure"
  readonly kind: string
  readonly exitCode: number
  readonly details: Readonly<Record<string, unknown>>

  constructor(
    kind: string,
    message: string,
    options: { readonly exitCode?: number; readonly details?: Readonly<Record<string, unknown>> } = {},
  ) {
    super(message)
    this.kind = kind
    this.exitCode = options.exitCode ?? 1
    this.details = options.details ?? {}
  }
}

/** Whoever typed a flag is told of that; `field`: what of it is wrong. */
export function bad(flag: string, what: string, field = flag): CommandFailure {
  return new CommandFailure("bad-input", `${flag}: ${what}`, { exitCode: BAD_INPUT, details: { field } })
}

/** Prints the failure and returns the exit code. What is not foreseen shows its stack: it is a bug of ours. */
export function reportFailure(error: unknown, json: boolean): number {
  const failure = asFailure(error)
  if (json) console.log(JSON.stringify({ error: { kind: failure.kind, ...failure.details, message: failure.message } }))
  console.error(`backplane: ${failure.message}`)
  return failure.exitCode
}

function asFailure(error: unknown): CommandFailure {
  if (error instanceof CommandFailure) return error
  if (error instanceof Rejection) return new CommandFailure("bad-input", error.message, { details: { field: error.field } })
  if (error instanceof Error) return new CommandFailure("failure", error.stack ?? error.message)
  return new CommandFailure("failure", String(error))
}
