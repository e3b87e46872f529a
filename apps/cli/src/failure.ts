/** How a command fails: one clear line on standard error, the same as JSON on standard output with `--json`, and an exit code. */
import { CommanderError } from "commander"
import { Rejection } from "@backplane/scenario-machine/rejection"

/** Exit code of a command that was asked for something impossible, as shells have it: 1 is for what was tried and failed. */
const BAD_INPUT = 2

/** A failure with a kind that programs can look at; its exit code is 2 for "bad-input", else 1, unless given. */
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
    this.exitCode = options.exitCode ?? (kind === "bad-input" ? BAD_INPUT : 1)
    this.details = options.details ?? {}
  }
}

/** Whoever typed a flag is told of that; `field`: what of it is wrong. */
export function bad(flag: string, what: string, field = flag): CommandFailure {
  return new CommandFailure("bad-input", `${flag}: ${what}`, { details: { field } })
}

/** Prints the failure and returns the exit code. What is not foreseen shows its stack: it is a bug of ours. */
export function reportFailure(error: unknown, json: boolean): number {
  if (error instanceof CommanderError) return reportUsage(error, json)
  const failure = asFailure(error)
  if (json) console.log(JSON.stringify({ error: jsonOfFailure(failure) }))
  console.error(`backplane: ${failure.message}`)
  return failure.exitCode
}

/** As programs read it. */
export function jsonOfFailure({ kind, details, message }: CommandFailure): Readonly<Record<string, unknown>> {
  return { kind, ...details, message }
}

/** Wrong flags and arguments, which commander has told of on standard error; `--help` and `--version` come here too. */
function reportUsage({ exitCode, message, code }: CommanderError, json: boolean): number {
  if (exitCode === 0) return 0
  const what = code === "commander.help" ? "a command is missing; --help lists them" : message.replace(/^error: /, "")
  if (json) console.log(JSON.stringify({ error: { kind: "bad-input", message: what } }))
  return BAD_INPUT
}

function asFailure(error: unknown): CommandFailure {
  if (error instanceof CommandFailure) return error
  if (error instanceof Rejection) return new CommandFailure("bad-input", error.message, { details: { field: error.field } })
  if (error instanceof Error) return new CommandFailure("failure", error.stack ?? error.message)
  return new CommandFailure("failure", String(error))
}
