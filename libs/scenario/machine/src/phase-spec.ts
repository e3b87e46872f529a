/**
 * What a synthetic job does besides running: it sleeps, gives way, signals others and waits for them.
 *
 * A channel is an event count (Reed and Kanodia, "Synchronization with Eventcounts and Sequencers", CACM 22(2), 1979): a signal advances
 * it by one and is never lost; the k-th wait of a job ends when the channel has been advanced so often as its waits so far ask for. One
 * signaller and one waiter make a wake-up, n children and one parent a join, n jobs that signal and then wait for n a barrier.
 */
import { Type, type Static } from "typebox"

export const PHASES_MAX = 64
const TICKS_MAX = 100_000_000

const channel = { minLength: 1, maxLength: 64, pattern: "^[A-Za-z0-9_-]+$" }
export const ChannelName = Type.String(channel)

/** Work, and one thing that the job does after it. */
export const PhaseSpec = Type.Object(
  {
    run: Type.Integer({ minimum: 1, maximum: 1_000_000_000, description: "work in units" }),
    sleep: Type.Optional(Type.Integer({ minimum: 1, maximum: TICKS_MAX, description: "then it is blocked for so many ticks" })),
    yield: Type.Optional(Type.Literal(true, { description: "then it gives way" })),
    signal: Type.Optional(Type.String({ ...channel, description: "then it advances the channel, and goes on" })),
    await: Type.Optional(Type.String({ ...channel, description: "then it waits for the channel" })),
    count: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000, description: "of `await`: signals that it waits for; not given: 1" })),
    spin: Type.Optional(Type.Literal(true, { description: "of `await`: it does not sleep meanwhile, but looks again and again" })),
    to: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 64,
        description: "of `await` with `spin`: after a tick of it it gives way, rather to this job (the holder of a lock)",
      }),
    ),
  },
  { additionalProperties: false },
)
export type PhaseSpec = Static<typeof PhaseSpec>

/** What is wrong with a phase, or null. */
export function phaseProblem({ sleep, yield: gives, signal, await: channel, count, spin, to }: PhaseSpec): string | null {
  const ends = [sleep, gives, signal, channel].filter((end) => end !== undefined).length
  if (ends !== 1) return "a phase ends with one of sleep, yield, signal and await"
  if (to !== undefined && spin === undefined) return "only await with spin has a to"
  if (channel !== undefined) return null
  return count !== undefined ? "only await has a count" : spin !== undefined ? "only await has a spin" : null
}

/** Work of one round of all phases. */
export function roundWork(phases: readonly PhaseSpec[]): number {
  return phases.reduce((sum, { run }) => sum + run, 0)
}
