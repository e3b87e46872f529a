/** What must hold in every state of the model. The numbers are those of the README. */
import { has } from "../flow.ts"
import { STORE } from "../home-entry.ts"
import { Violation } from "./model-step.ts"
import { ALL_REPORTERS, FRAMES, PAGES, type ModelState } from "./model-state.ts"

const READABLE = new Set(["S", "E", "M", "SM_A"])

export function checkInvariants(state: ModelState): void {
  for (let page = 0; page < PAGES; page++) {
    checkHolders(state, page)
    if (state.reported === ALL_REPORTERS) checkDirectory(state, page)
  }
}

function checkHolders({ nodes }: ModelState, page: number): void {
  let writers = 0
  let readers = 0
  for (const { records, tlb } of nodes) {
    const record = records[page]
    if (record === undefined) continue
    const rights = tlb[page] ?? 0
    if (rights === 2 && record.state !== "M") throw new Violation(`I4: a CPU may write a page in state ${record.state}`)
    if (rights >= 1 && !READABLE.has(record.state)) throw new Violation(`I4: a CPU may read a page in state ${record.state}`)
    if ((READABLE.has(record.state) || record.state === "EI_A" || record.state === "MI_A") && !record.hasBytes)
      throw new Violation(`a page in state ${record.state} has its bytes`)
    if (rights === 2 || record.state === "E" || record.state === "M") writers += 1
    else if (rights === 1 || READABLE.has(record.state)) readers += 1
  }
  if (writers > 1 || (writers === 1 && readers > 0)) throw new Violation(`I1: ${writers} writers and ${readers} readers of one page`)
}

function checkDirectory({ nodes, entries, homes, storeValues, latest }: ModelState, page: number): void {
  const entry = entries[page]
  if (entry === undefined) return
  const stored = storeValues[page * FRAMES + (homes[page] ?? 0)]
  const { owner, sharers, transaction, source } = entry
  nodes.forEach(({ records }, node) => {
    const state = records[page]?.state ?? "I"
    const isKnown = owner === node || transaction?.node === node
    if ((state === "E" || state === "M") && !isKnown) throw new Violation(`I3: the home does not know that node ${node} owns the page`)
    if (READABLE.has(state) && !isKnown && !has(sharers, node))
      throw new Violation(`I3: the home does not know that node ${node} reads the page`)
  })
  if (owner >= 0 && sharers !== 0) throw new Violation("I1: an owner and sharers in the directory")
  if ((entry.state === "U" || entry.state === "S") && source === STORE && stored !== latest[page])
    throw new Violation(`I2: the home takes its frame for fresh, it has write ${stored} of ${latest[page]}`)
}
