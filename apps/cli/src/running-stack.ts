/** The stack that a command is for: that of `--home`, which runs already. For one that is started where there is none: live-stack.ts. */
import type { Command } from "commander"
import { homeFolder, mustReadStack, StackClient, type StackState } from "./stack-client.ts"

export function homeOf(command: Command): string {
  return homeFolder(command.optsWithGlobals<{ home?: string }>().home)
}

/** Throws a `CommandFailure` where none runs. */
export function runningStack(command: Command): StackState {
  return mustReadStack(homeOf(command))
}

/** Lets `act` ask the stack as its operator, and goes from the bus whatever comes of it. */
export async function onRunningStack<T>(command: Command, act: (client: StackClient, state: StackState) => Promise<T>): Promise<T> {
  const state = runningStack(command)
  const client = await StackClient.connect(state)
  try {
    return await act(client, state)
  } finally {
    await client.close()
  }
}
