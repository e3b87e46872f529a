/**
 * Which corners of the state space are searched. Each scope bounds what CPUs may do, not what the network does, and is searched to its end:
 * deep and narrow ones find what a wide search of the first steps never reaches.
 */
import type { ModelBounds, ModelOperation } from "./model-state.ts"

export interface Scope extends ModelBounds {
  readonly name: string
}

const ALL: readonly ModelOperation[] = ["load", "store", "lr", "operate"]
const none = { evictions: 0, crashes: 0, pages: 1, start: "untouched" } as const

/** The small ones first. The last ones are for the command only. */
export const SCOPES: readonly Scope[] = [
  { ...none, name: "two operations", operations: 2, kinds: ALL },
  { ...none, name: "two operations on a shared page", operations: 2, kinds: ALL, start: "shared" },
  { ...none, name: "three stores", operations: 3, kinds: ["store"] },
  { ...none, name: "two operations on two pages", operations: 2, kinds: ALL, pages: 2 },
  { ...none, name: "three loads and stores", operations: 3, kinds: ["load", "store"] },
  { ...none, name: "two operations and an eviction", operations: 2, kinds: ALL, evictions: 1 },
  { ...none, name: "two loads and stores and a new home", operations: 2, kinds: ["load", "store"], crashes: 1 },
  {
    ...none,
    name: "two loads and stores of a shared page and an eviction",
    operations: 2,
    kinds: ["load", "store"],
    evictions: 1,
    start: "shared",
  },
  { ...none, name: "three stores and an eviction", operations: 3, kinds: ["store"], evictions: 1 },
  { ...none, name: "two stores to a shared page and a new home", operations: 2, kinds: ["store"], crashes: 1, start: "shared" },
  { ...none, name: "a store and a frame that moves", operations: 1, kinds: ALL, moves: 1 },
  { ...none, name: "a store, an eviction, a frame that moves", operations: 1, kinds: ["store"], evictions: 1, moves: 1 },
  { ...none, name: "two stores and loads and a frame that moves", operations: 2, kinds: ["load", "store"], moves: 1 },
  { ...none, name: "two operations and a frame that moves", operations: 2, kinds: ["load", "store", "operate"], moves: 1 },
  { ...none, name: "a store, a frame that moves and moves back", operations: 1, kinds: ["store", "operate"], moves: 2 },
  { ...none, name: "an operation, a frame that moves, a new home", operations: 1, kinds: ["store", "operate"], crashes: 1, moves: 1 },
  { ...none, name: "two operations on a page in the page store", operations: 2, kinds: ALL, keeper: true },
  { ...none, name: "two loads and stores and a page that is brought in", operations: 2, kinds: ["load", "store"], moves: 1, keeper: true },
  {
    ...none,
    name: "a load or store in the page store, and a new home",
    operations: 1,
    kinds: ["load", "store"],
    crashes: 1,
    moves: 1,
    keeper: true,
  },
  { ...none, name: "two stores, an eviction and a new home", operations: 2, kinds: ["store"], evictions: 1, crashes: 1 },
  { ...none, name: "three operations", operations: 3, kinds: ALL },
  { ...none, name: "three loads and stores and an eviction", operations: 3, kinds: ["load", "store"], evictions: 1 },
  { ...none, name: "two operations and a new home", operations: 2, kinds: ALL, crashes: 1 },
  { ...none, name: "three operations on two pages", operations: 3, kinds: ALL, pages: 2 },
  { ...none, name: "four stores and loads", operations: 4, kinds: ["load", "store"] },
  {
    ...none,
    name: "four operations on two pages, two evictions, a new home",
    operations: 4,
    kinds: ALL,
    evictions: 2,
    crashes: 1,
    pages: 2,
  },
]

/** Those in which a bug that needs this can show at all. */
export function scopesFor(needs: "operations" | "evictions" | "crashes" | "moves"): readonly Scope[] {
  return SCOPES.filter(({ evictions, crashes, moves = 0 }) => needs === "operations" || { evictions, crashes, moves }[needs] > 0)
}
