/**
 * Ctrl-C, an end that is asked for, a terminal that closes: a program that has begun processes or folders takes them down before it ends.
 *
 * The signal's default action would end it at once, and leave behind what does not watch its parent: a process that is stopped, a folder.
 */
import { constants } from "node:os"

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const

/** The work was broken off by a signal. */
export class Interruption extends Error {
  override readonly name = "Interruption"
  /** 128 + the signal's number, as shells have it. */
  readonly exitCode: number

  constructor(signal: (typeof SIGNALS)[number]) {
    super(`interrupted by ${signal}`)
    this.exitCode = 128 + constants.signals[signal]
  }
}

export interface Interruptible {
  /** Rejects with an `Interruption` at the first signal; further ones change nothing: the taking down has deadlines of its own. */
  readonly rejects: Promise<never>
  /** Signals do again what they did before. */
  readonly forget: () => void
}

export function untilInterrupted(): Interruptible {
  let reject: (reason: Interruption) => void = () => undefined
  const rejects = new Promise<never>((_, refuse) => (reject = refuse))
  rejects.catch(() => undefined) // it may come when nobody races it any more
  const hear = (signal: NodeJS.Signals): void => reject(new Interruption(signal as (typeof SIGNALS)[number]))
  for (const signal of SIGNALS) process.on(signal, hear)
  return {
    rejects,
    forget: () => {
      for (const signal of SIGNALS) process.removeListener(signal, hear)
    },
  }
}
