/** Conflict-free replicated data types: what two replicas make of writes that neither saw of the other, by three rules. */
import { assert } from "@backplane/foundation-base/assert"
import type { Json } from "@backplane/foundation-base/json"
import type { Bucket } from "@backplane/kv-contract/bucket"
import type { KeyState } from "@backplane/kv-contract/versions"
import { joinStates, NOTHING_KNOWN, writeDelta, writeVersion } from "@backplane/kv-versioning/key-state"
import { reconcilerOf, type Reconciler } from "@backplane/kv-versioning/reconcile/reconciler"
import type { Lesson } from "../lesson.ts"

/** Both begin with 10 of the article in stock; here three are sold, there two, while the link between them is down. */
const STOCK = 10
const SOLD = { left: 3, right: 2 } as const

export const crdts: Lesson = {
  name: "crdts",
  title: "Two replicas wrote at once. What is the value now?",
  chapter: "Dynamo 4.4; Shapiro and others, “Conflict-free replicated data types”",
  minutes: 6,
  text: [
    `Two replicas know that ${STOCK} of an article are in stock. The link between them breaks. One sells ${SOLD.left}, the other ${SOLD.right}; each writes down what is left. Then the link comes back, and the two join what they know.`,
    "Neither write saw the other: no clock says which is right. The bucket of the key says by which rule they are reconciled.",
  ],
  question: `Under the rule "last writer wins", how many are in stock after the two have met again?`,
  choices: [
    `${STOCK - SOLD.left - SOLD.right}: both sales count`,
    "one of the two numbers: the other sale is forgotten",
    "both numbers: the reader has to choose",
  ],
  run() {
    const last = written(ruleOf({ name: "stock", policy: "lww" }))
    const siblings = written(ruleOf({ name: "stock", policy: "siblings" }))
    const counter = counted(ruleOf({ name: "stock", policy: "crdt", crdt: "pn-counter" }))
    const right = String(STOCK - SOLD.left - SOLD.right)
    const rows = [last, siblings, counter]
    const answer = last.after.length > 1 ? 2 : last.after[0] === right ? 0 : 1
    return Promise.resolve({
      answer,
      table: {
        head: ["rule", "left", "right", "joined left to right", "joined right to left"],
        rows: rows.map((row) => [row.rule, row.left.join(" "), row.right.join(" "), row.after.join(" "), row.mirrored.join(" ")]),
      },
      explanation: [
        "A number is the outcome of what was done, and outcomes cannot be joined. The rule that keeps one of them forgets a sale; the one that keeps both leaves the question to the reader, who can answer it and write the answer back.",
        "The counter does not keep the number but what was done, apart for each writer: a join takes the greater of each count, so it does not matter in which order, how often, or by which way the two learn of each other.",
        "Try it on the store: buckets choose the rule, `npx backplane kv --help`.",
      ],
      claims: [
        {
          text: "the two replicas agree after the join, whatever the rule and the order",
          measured: rows.map((row) => `${row.rule}: ${row.after.join(" ")}`).join("; "),
          holds: rows.every((row) => row.after.join() === row.mirrored.join()),
        },
        {
          text: "last writer wins forgets a sale",
          measured: last.after.join(" "),
          holds: last.after.length === 1 && last.after[0] !== right,
        },
        { text: "siblings keeps both for the reader", measured: siblings.after.join(" "), holds: siblings.after.length === 2 },
        { text: "the counter has both sales", measured: counter.after.join(" "), holds: counter.after.join() === right },
      ],
      picture: null,
      trace: "npx backplane trace last reconciliation",
    })
  },
}

interface Outcome {
  readonly rule: string
  readonly left: readonly string[]
  readonly right: readonly string[]
  readonly after: readonly string[]
  readonly mirrored: readonly string[]
}

function ruleOf(bucket: Bucket): Reconciler {
  const rule = reconcilerOf(bucket, new Map())
  if (typeof rule === "string") throw new Error(rule)
  return rule
}

/** Both sides write the number that they have worked out. */
function written(rule: Reconciler): Outcome {
  const begin = writeVersion(rule, NOTHING_KNOWN, { dot: ["left", 1], value: String(STOCK), seen: {} })
  const write = (writer: string, time: number, sold: number): KeyState =>
    writeVersion(rule, begin, { dot: [writer, time], value: String(STOCK - sold), seen: begin.context })
  return outcome(rule, write("left", 2, SOLD.left), write("right", 3, SOLD.right))
}

/** Both sides write what they have done. */
function counted(rule: Reconciler): Outcome {
  const { crdt } = rule
  assert(crdt !== null, "the bucket's policy is crdt")
  const apply = (state: KeyState, writer: string, change: { readonly time: number; readonly operation: Json }): KeyState => {
    const { time, operation } = change
    const made = crdt.delta(state.crdt ?? crdt.empty, operation, { writer, time })
    if ("bad" in made) throw new Error(made.bad)
    return writeDelta(crdt.merge, state, { dot: [writer, time], delta: made.delta })
  }
  const begin = apply(NOTHING_KNOWN, "left", { time: 1, operation: { op: "increment", by: STOCK } })
  const sell = (by: number): Json => ({ op: "decrement", by })
  return outcome(
    rule,
    apply(begin, "left", { time: 2, operation: sell(SOLD.left) }),
    apply(begin, "right", { time: 3, operation: sell(SOLD.right) }),
  )
}

function outcome(rule: Reconciler, left: KeyState, right: KeyState): Outcome {
  return {
    rule: rule.rule,
    left: valuesOf(rule, left),
    right: valuesOf(rule, right),
    after: valuesOf(rule, joinStates(rule, left, right)),
    mirrored: valuesOf(rule, joinStates(rule, right, left)),
  }
}

function valuesOf(rule: Reconciler, state: KeyState): readonly string[] {
  if (rule.crdt !== null && state.crdt !== undefined) return [String(rule.crdt.value(state.crdt))]
  return rule.read(state.versions)
}
