/**
 * What everybody who speaks with a store knows before the store has told them anything: its name, its clock and the members that it begins with.
 *
 * Not what the store has become since: that is its configuration (kv/contract's `store-config.ts`).
 */
import { actorId } from "@backplane/foundation-actor/actor-id"
import { MEMBERS_MAX } from "@backplane/kv-contract/store-config"
import type { Member } from "./partition-map.ts"

/** The machine under whose name replicas speak: one store a stack. */
export const STORE = "store"

/** Virtual time of the store: microseconds since 1970, so that every host's clock agrees with it by itself. */
export const STORE_CYCLES_PER_SECOND = 1_000_000

export interface StoreSize {
  /** Members: `replica.0` to `replica.<n-1>`. 0: a stack without a store (`stack:up --shards 0`). */
  readonly shards: number
  /** Availability zones, dealt in turn. */
  readonly zones: number
}

const UNLESS_SAID: StoreSize = { shards: 3, zones: 1 }

/** From BACKPLANE_KV_SHARDS and BACKPLANE_KV_ZONES; or which of them is wrong, and what to give. */
export function storeSizeOf(
  environment: Readonly<Record<string, string | undefined>>,
): StoreSize | { readonly field: string; readonly remedy: string } {
  const shards = countOf(environment, { field: "BACKPLANE_KV_SHARDS", least: 0, otherwise: UNLESS_SAID.shards })
  if (typeof shards !== "number") return shards
  const zones = countOf(environment, { field: "BACKPLANE_KV_ZONES", least: 1, otherwise: UNLESS_SAID.zones })
  return typeof zones !== "number" ? zones : { shards, zones }
}

/** One at least: where there is no store it is asked and does not answer, as if it were down. */
export function firstMembers({ shards, zones }: StoreSize): readonly Member[] {
  return Array.from({ length: Math.max(1, shards) }, (_, member) => ({ id: actorId(`replica.${member}`), zone: `zone-${member % zones}` }))
}

function countOf(
  environment: Readonly<Record<string, string | undefined>>,
  { field, least, otherwise }: { readonly field: string; readonly least: number; readonly otherwise: number },
): number | { readonly field: string; readonly remedy: string } {
  const text = environment[field] ?? ""
  if (text === "") return otherwise
  const value = Number(text)
  if (Number.isInteger(value) && value >= least && value <= MEMBERS_MAX) return value
  return { field, remedy: `is "${text}": give a whole number from ${least} to ${MEMBERS_MAX}` }
}
