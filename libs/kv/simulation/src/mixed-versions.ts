/**
 * A rolling upgrade: replicas of the previous message version beside present ones, taken down and started anew in the other, one after another, and now and
 * then put back. Some runs end with one that was never upgraded.
 *
 * An old replica hears only what its contract lets through its edge (kv/contract, `messagesOfVersion`); what it refuses is lost to it. Nobody is put back
 * once the configuration says that all speak the present version: from there on there is no way back, as an operator is told.
 */
import { Compile } from "typebox/compile"
import type { Json } from "@backplane/foundation-base/json"
import type { Random } from "@backplane/foundation-base/random"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { WIRE_VERSION, WIRE_VERSION_FIRST } from "@backplane/kv-contract/forms"
import type { KvMessage } from "@backplane/kv-contract/kv-messages"
import { messagesOfVersion } from "@backplane/kv-contract/schema-of-version"
import { crashFor, strike, type BlowTimes } from "./blows.ts"
import { latestConfig, type KvRun } from "./kv-world.ts"

const MS = 1000
const SECOND = 1_000_000
/** A configuration is everywhere, and on disk, so long after the last replica took it over. */
const SETTLED_CYCLES = 2 * SECOND

/** What a program of the previous version makes of what it does not know: it refuses the message, or (a bug) drops the field without a word. */
export type OldEdge = "refuses" | "strips"

const checks = new Map<string, { Check(value: unknown): boolean }>()

/** What comes through the edge of a replica of that version; null: nothing. */
export function throughEdge(body: KvMessage, version: number, edge: OldEdge): KvMessage | null {
  if (version >= WIRE_VERSION) return body
  if (edge === "strips") return body.kind === "KvHello" ? null : (stripped(body as unknown as Json) as unknown as KvMessage)
  if (checks.size === 0) for (const [kind, schema] of messagesOfVersion(version)) checks.set(kind, Compile(schema))
  return checks.get(body.kind)?.Check(body) === true ? body : null
}

const LATER_FIELDS = ["version", "counted", "refused", "weak", "collected", "brief", "digests", "learns"]

function stripped(value: Json): Json {
  if (value === null || typeof value !== "object") return value
  if (Array.isArray(value)) return (value as readonly Json[]).map(stripped)
  const left = Object.entries(value).filter(([name]) => !LATER_FIELDS.includes(name))
  return Object.fromEntries(left.map(([name, inner]): [string, Json] => [name, stripped(inner as Json)]))
}

/** Draws who begins in which version, and when that changes. */
export function armVersions(run: KvRun, random: Random, times: BlowTimes): void {
  if (!run.faults.classes.has("mixed")) return
  const { replicas, versions } = run
  const stays = random.chance(0.3) ? random.pick(replicas) : null
  for (const id of replicas) versions.set(id, id !== stays && random.chance(0.3) ? WIRE_VERSION : WIRE_VERSION_FIRST)
  strike(run, random, { name: "mixed", every: 8 * SECOND, ...times }, (draws) => {
    const [old, present] = [WIRE_VERSION_FIRST, WIRE_VERSION].map((version) => replicas.filter((id) => versions.get(id) === version))
    const back = !isRaised(run) && present !== undefined && present.length > 0 && draws.chance(0.3)
    const from = back ? present : old?.filter((id) => id !== stays)
    if (from === undefined || from.length === 0) return
    begin(run, draws.pick(from), back ? WIRE_VERSION_FIRST : WIRE_VERSION, draws.between(50 * MS, SECOND))
  })
}

/** After the faults: where there is no way back any more, who was put back in the last moment is brought up again. */
export function finishUpgrade(run: KvRun): void {
  if (!isRaised(run)) return
  for (const [id, version] of run.versions) if (version < WIRE_VERSION) begin(run, id, WIRE_VERSION, MS)
}

function begin(run: KvRun, id: ActorId, version: number, down: number): void {
  run.versions.set(id, version)
  crashFor(run, id, down)
}

function isRaised(run: KvRun): boolean {
  return (latestConfig(run).version ?? WIRE_VERSION_FIRST) >= WIRE_VERSION
}

/** Whether everybody has known for a while that all speak the present version: what it promises holds for requests that begin now. */
export function presentPromises(run: KvRun): () => boolean {
  let since: number | null = null
  return () => {
    if (!run.faults.classes.has("mixed")) return true
    const { world } = run
    if (since === null && run.replicas.every((id) => run.viewOf(id)?.config.version === WIRE_VERSION)) since = world.now
    return since !== null && world.now - since >= SETTLED_CYCLES
  }
}
