/** Joins this process's terminal (or pipe) to a VM's console. */
import { setTimeout as sleep } from "node:timers/promises"
import { ConsoleSession, type SessionEnd, type SessionEnds, type Talked } from "./console-session.ts"
import type { ConsolePort } from "./vm-client.ts"

/** A pipe that is not at its end by then may never be. */
const LATE_MILLISECONDS = 2_000

/** How it ended, and how many bytes of the input nobody has taken. */
export type TerminalEnd = SessionEnd & { readonly untyped: number }

export async function attachTerminal(
  port: ConsolePort,
  vm: Talked,
  ends: Pick<SessionEnds, "quietMilliseconds"> = {},
): Promise<TerminalEnd> {
  const { stdin, stdout } = process
  const session = new ConsoleSession(port, vm, {
    ...ends,
    output: (bytes) => void stdout.write(bytes),
    hold: stdin.isTTY ? null : (hold) => (hold ? stdin.pause() : stdin.resume()),
    sleep: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
  })
  const onData = (data: Buffer): void => session.input(data)
  let endInput: () => void = () => undefined
  const inputEnds = new Promise<void>((done) => (endInput = done))
  const onEnd = (): void => {
    endInput()
    void session.inputEnded()
  }
  const onDeaf = (): void => session.leave() // whoever read what the guest says has gone: `| head`
  if (stdin.isTTY) stdin.setRawMode(true)
  stdin.on("data", onData).once("end", onEnd).once("error", onEnd)
  stdout.on("error", onDeaf)
  try {
    const end = await session.run()
    // A VM that is over is told of at once, maybe before a pipe has brought what was to be typed.
    if (end.kind === "over" && !stdin.isTTY) await Promise.race([inputEnds, sleep(LATE_MILLISECONDS, undefined, { ref: false })])
    return { ...end, untyped: session.untyped }
  } finally {
    stdin.off("data", onData)
    if (stdin.isTTY) stdin.setRawMode(false)
    stdin.pause()
    if ("unref" in stdin) stdin.unref() // a file as input has none, and holds nobody up
  }
}
