/** What each type must show, said over what happened and who saw it; knows nothing of states. Stupid on purpose. */
import { compareText, type Json } from "@backplane/foundation-base/json"
import type { CrdtName } from "@backplane/kv-contract/versions"
import { fieldOf, textField } from "../crdt/operation-fields.ts"
import type { Happened } from "./crdt-history.ts"

type Oracle = (visible: readonly Happened[]) => Json

const op = (event: Happened): string => textField(event.operation, "op") ?? ""
const by = (event: Happened): number => Number(fieldOf(event.operation, "by") ?? 1)
const wasSeenBy = (event: Happened, others: readonly Happened[]): boolean => others.some((other) => other.saw.has(event.id))

function sum(visible: readonly Happened[]): number {
  return visible.reduce((total, event) => total + (op(event) === "decrement" ? -by(event) : by(event)), 0)
}

function isOn(visible: readonly Happened[]): boolean {
  const offs = visible.filter((event) => op(event) === "disable")
  return visible.some((event) => op(event) === "enable" && !wasSeenBy(event, offs))
}

/** As JSON texts in order: which of two concurrent values comes first is the type's own affair. */
function newest(visible: readonly Happened[]): Json[] {
  const sets = visible.filter((event) => !wasSeenBy(event, visible))
  return sets.map((event) => fieldOf(event.operation, "value") ?? null)
}

function members(visible: readonly Happened[]): string[] {
  const adds = visible.filter((event) => op(event) === "add")
  const alive = adds.filter((add) => {
    const element = textField(add.operation, "element")
    const removes = visible.filter(
      (event) => op(event) === "clear" || (op(event) === "remove" && textField(event.operation, "element") === element),
    )
    return !wasSeenBy(add, removes)
  })
  return [...new Set(alive.map((add) => textField(add.operation, "element") ?? ""))].sort(compareText)
}

function last(visible: readonly Happened[]): Json {
  const ordered = visible.toSorted((a, b) => a.time - b.time || compareText(a.writer, b.writer))
  const winner = ordered.at(-1)
  return winner === undefined ? null : (fieldOf(winner.operation, "value") ?? null)
}

function entries(visible: readonly Happened[]): Json {
  const names = new Set(visible.filter((event) => op(event) === "update").map((event) => nameAndType(event)))
  const pairs = [...names].sort(compareText).flatMap((entry): [string, Json][] => {
    const removes = visible.filter((event) => op(event) === "remove" && entry.startsWith(`${textField(event.operation, "name")}:`))
    const updates = visible.filter((event) => op(event) === "update" && nameAndType(event) === entry && !wasSeenBy(event, removes))
    const inner = updates.map((event) => ({ ...event, operation: fieldOf(event.operation, "operation") ?? null }))
    const kind = entry.slice(entry.lastIndexOf(":") + 1)
    if (kind === "flag") return isOn(inner) ? [[entry, true]] : []
    if (kind === "or-set") return members(inner).length > 0 ? [[entry, members(inner)]] : []
    if (kind === "counter") return inner.length > 0 ? [[entry, sum(inner)]] : []
    return inner.length > 0 ? [[entry, newest(inner)]] : []
  })
  return Object.fromEntries(pairs)
}

function nameAndType(event: Happened): string {
  return `${textField(event.operation, "name")}:${textField(event.operation, "type")}`
}

export const ORACLES: Readonly<Record<CrdtName, Oracle>> = {
  "g-counter": sum,
  "pn-counter": sum,
  "lww-register": last,
  "mv-register": newest,
  "or-set": members,
  flag: isOn,
  "or-map": entries,
}

/** Lists that stand for concurrent values compare as sets. */
export function asComparable(value: Json): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    Array.isArray(inner) ? inner.map((each) => JSON.stringify(each)).sort(compareText) : inner,
  )
}
