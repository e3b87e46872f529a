/** What a world is made from, and its defaults. */
import { assert } from "@backplane/foundation-base/assert"
import type { Body } from "@backplane/foundation-actor/machine"
import type { FaultPlan } from "./fault-plan.ts"
import type { SpanRecorder } from "./span-recorder.ts"

export interface WorldOptions {
  /** Replays everything: chance, faults and span ids. */
  readonly seed: number
  /** Name of the simulated multiprocessor. */
  readonly machine?: string
  /** Cycles that every message takes, self-sends too; at least 1, so that no effect comes before its cause's whole instant. */
  readonly latency?: number
  /** Cycles from a `persist` effect to its `persisted` input. */
  readonly persistLatency?: number
  /** Without a plan the world is exact. */
  readonly faults?: FaultPlan
  /** A run that handles more inputs than this fails: it would not end. */
  readonly stepsMax?: number
  /** Messages that may wait for one actor; one more fails the run. */
  readonly waitingMax?: number
  /** How many records the trace keeps. */
  readonly traceLinesMax?: number
  /** `off` saves about half the time of a run, and gives up telling two runs apart. */
  readonly fingerprint?: "on" | "off"
  /** What a body becomes on the wire and back: the app's codecs, to try them too. Throws where one cannot be carried. */
  readonly carry?: (body: Body) => Body
  /** Without a recorder no span is made and no context carried. */
  readonly spans?: SpanRecorder
  /** The one command that replays a failure; `{seed}` is filled in. */
  readonly replayCommand?: string
}

export interface WorldSettings {
  readonly seed: number
  readonly machine: string
  readonly latency: number
  readonly persistLatency: number
  readonly faults: FaultPlan | null
  readonly stepsMax: number
  readonly waitingMax: number
  readonly traceLinesMax: number
  readonly fingerprint: "on" | "off"
  readonly carry: ((body: Body) => Body) | null
  readonly spans: SpanRecorder | null
  readonly replayCommand: string
}

export const LATENCY_CYCLES_DEFAULT = 100
const PERSIST_LATENCY_CYCLES_DEFAULT = 1000

/** Fills in the defaults and refuses what cannot be meant. */
export function worldSettings(options: WorldOptions): WorldSettings {
  const settings: WorldSettings = {
    seed: options.seed,
    machine: options.machine ?? "simulated",
    latency: options.latency ?? LATENCY_CYCLES_DEFAULT,
    persistLatency: options.persistLatency ?? PERSIST_LATENCY_CYCLES_DEFAULT,
    faults: options.faults ?? null,
    stepsMax: options.stepsMax ?? 10_000_000,
    waitingMax: options.waitingMax ?? 1_000_000,
    traceLinesMax: options.traceLinesMax ?? 1000,
    fingerprint: options.fingerprint ?? "on",
    carry: options.carry ?? null,
    spans: options.spans ?? null,
    replayCommand: (options.replayCommand ?? "the same test or command again with seed {seed}").replaceAll("{seed}", String(options.seed)),
  }
  assert(Number.isSafeInteger(settings.seed), "world: seed is a whole number")
  assert(Number.isSafeInteger(settings.latency) && settings.latency >= 1, "world: latency is a whole number of cycles, at least 1")
  assert(Number.isSafeInteger(settings.persistLatency) && settings.persistLatency >= 0, "world: persistLatency is a whole number of cycles")
  assert(Number.isSafeInteger(settings.stepsMax) && settings.stepsMax >= 1, "world: stepsMax is a whole number, at least 1")
  assert(Number.isSafeInteger(settings.waitingMax) && settings.waitingMax >= 1, "world: waitingMax is a whole number, at least 1")
  return settings
}
