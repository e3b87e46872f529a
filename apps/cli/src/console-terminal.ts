/** Joins this process's terminal (or pipe) to a VM's console. */
import { ConsoleSession, type SessionEnd } from "./console-session.ts"
import type { ConsolePort } from "./vm-client.ts"

/** After the end of piped input: so long without a word, and the session is over. */
const QUIET_MILLISECONDS = 2_000
/** A guest that has not said anything yet still boots: it is given so long for its first word. */
const FIRST_WORD_MILLISECONDS = 30_000

export async function attachTerminal(port: ConsolePort, vm: string, from = 0): Promise<SessionEnd> {
  const { stdin, stdout } = process
  const session = new ConsoleSession(port, vm, {
    output: (bytes) => void stdout.write(bytes),
    hold: (hold) => (hold ? stdin.pause() : stdin.resume()),
    sleep: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
  })
  const onData = (data: Buffer): void => session.input(data)
  if (stdin.isTTY) stdin.setRawMode(true)
  stdin.on("data", onData)
  stdin.once("end", () => void leaveWhenQuiet(session))
  try {
    return await session.run(from)
  } finally {
    stdin.off("data", onData)
    if (stdin.isTTY) stdin.setRawMode(false)
    stdin.pause()
    stdin.unref()
  }
}

async function leaveWhenQuiet(session: ConsoleSession): Promise<void> {
  const deadline = Date.now() + FIRST_WORD_MILLISECONDS
  while (session.heard === 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, QUIET_MILLISECONDS / 10))
  for (let heard = -1; heard !== session.heard || !session.hasTyped;) {
    heard = session.heard
    await new Promise((resolve) => setTimeout(resolve, QUIET_MILLISECONDS))
  }
  session.leave()
}
