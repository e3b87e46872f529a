/** A stack for one command: the one that runs already, or one of its own that lives as long as the command. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { runProgram } from "./checkout.ts"
import { CommandFailure } from "./failure.ts"
import { readStack, StackClient } from "./stack-client.ts"

const STACK = "tools/stack/src/main.ts"

/** Calls `use` with a client of a stack; progress goes to standard error. */
export async function withStack<T>(home: string, use: (client: StackClient) => Promise<T>): Promise<T> {
  const running = readStack(home)
  if (running !== null) return withClient(await StackClient.connect(running), use)
  const own = mkdtempSync(join(tmpdir(), "backplane-"))
  console.error("backplane: no stack is running: starting one for this command (a few seconds)")
  try {
    const up = await runProgram(STACK, ["up", "--detach", "--home", own, "--scenario", "none"])
    const state = readStack(own)
    if (up.code !== 0 || state === null) throw new CommandFailure("no-stack", `a stack could not be started:\n${up.stdout}`)
    return await withClient(await StackClient.connect(state), use)
  } finally {
    await runProgram(STACK, ["down", "--home", own])
    rmSync(own, { recursive: true, force: true })
  }
}

async function withClient<T>(client: StackClient, use: (client: StackClient) => Promise<T>): Promise<T> {
  try {
    return await use(client)
  } finally {
    await client.close()
  }
}
