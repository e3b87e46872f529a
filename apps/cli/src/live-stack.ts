/** A stack for one command: the one that runs already, or one of its own that lives as long as the command. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Interruption, untilInterrupted } from "@backplane/foundation-runtime/interruption"
import { runProgram } from "./checkout.ts"
import { CommandFailure } from "./failure.ts"
import { readStack, StackClient } from "./stack-client.ts"

const STACK = "tools/stack/src/main.ts"

/** How a stack of one's own is to be other than usual. */
export interface OwnStack {
  /** As `npm start` takes them. */
  readonly flags?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
}

/** Calls `use` with a client of a stack; progress goes to standard error. */
export async function withStack<T>(home: string, use: (client: StackClient) => Promise<T>, its: OwnStack = {}): Promise<T> {
  const running = readStack(home)
  if (running !== null) return withClient(await StackClient.connect(running), use)
  const own = mkdtempSync(join(tmpdir(), "backplane-"))
  console.error("backplane: no stack is running: starting one for this command (a few seconds)")
  const interrupted = untilInterrupted()
  try {
    const flags = ["up", "--detach", "--home", own, "--scenario", "none", ...(its.flags ?? [])]
    const up = await runProgram(STACK, flags, undefined, its.environment)
    const state = readStack(own)
    if (up.code !== 0 || state === null) throw new CommandFailure("no-stack", `a stack could not be started:\n${up.stdout}`)
    return await Promise.race([withClient(await StackClient.connect(state), use), interrupted.rejects])
  } catch (error) {
    throw error instanceof Interruption ? new CommandFailure("interrupted", error.message, { exitCode: error.exitCode }) : error
  } finally {
    await runProgram(STACK, ["down", "--home", own])
    rmSync(own, { recursive: true, force: true })
    interrupted.forget() // last: who asks twice has it taken down all the same
  }
}

async function withClient<T>(client: StackClient, use: (client: StackClient) => Promise<T>): Promise<T> {
  try {
    return await use(client)
  } finally {
    await client.close()
  }
}
