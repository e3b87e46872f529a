/**
 * What an access costs: the model of caches, TLB, bus and memory said plainly, access by access. The timed engine (compute/engine,
 * assembly/timing-protocol.ts) must agree with it to the cycle and to the count; this one is slow and has no filters.
 *
 * Modelled: in-order CPUs that stand still for every miss; an instruction and a data cache a core, MESI by snooping inside the node; a
 * second level a node, inclusive, LRU; a directory by line between nodes; one transaction at a time on a node's bus and in a node's memory.
 * Not modelled: see README.md.
 *
 * Time of a CPU: a fetch may stand still before the instruction issues, issuing takes one cycle, data may stand still after it.
 */
import { assert, defined } from "@backplane/foundation-base/assert"
import {
  TIMING_COUNTERS,
  type CpuTiming,
  type PageMisses,
  type TimingCounter,
  type TimingParameters,
} from "@backplane/compute-contract/timing"
import { FifoTlb, LruCache } from "./cache-sets.ts"

export type FirstState = "shared" | "exclusive" | "modified"
type Access = "fetch" | "read" | "write"

interface Core {
  readonly node: number
  readonly fetch: LruCache<"shared">
  readonly data: LruCache<FirstState>
  readonly tlb: FifoTlb
  /** The first cycle in which no thread has issued. */
  issueFree: number
}

interface Node {
  readonly cores: readonly Core[]
  /** State: was it changed since it came from memory? */
  readonly second: LruCache<"clean" | "dirty">
  busFree: number
  memoryFree: number
}

interface Cpu {
  time: number
  readonly core: Core
  readonly counters: Record<TimingCounter, number>
}

/** Nodes that may hold a line; `alone`: only that one, which need not ask before it stores. */
interface Holders {
  nodes: Set<number>
  alone: boolean
}

const LINE_BYTES = 64
const LINES_PER_PAGE = 64

export class TimingReference {
  readonly #parameters: TimingParameters
  readonly #cpus: readonly Cpu[]
  readonly #nodes: readonly Node[]
  readonly #directory = new Map<number, Holders>()
  readonly #homes = new Map<number, number>()
  readonly #copies = new Map<number, Set<number>>()
  /** When the instruction under way began. */
  #began = 0
  readonly #pages = new Map<number, { readonly reads: number[]; readonly writes: number[] }>()

  constructor(parameters: TimingParameters, { cpus }: { readonly cpus: number }) {
    this.#parameters = parameters
    const { nodes, threadsPerCore } = parameters
    const coreCount = cpus / threadsPerCore
    const first = (node: number): number => Math.floor((node * coreCount) / nodes)
    this.#nodes = Array.from({ length: nodes }, (_, node) => ({
      cores: Array.from({ length: first(node + 1) - first(node) }, () => ({
        node,
        fetch: new LruCache<"shared">(parameters.firstLevel),
        data: new LruCache<FirstState>(parameters.firstLevel),
        tlb: new FifoTlb(parameters.tlb),
        issueFree: 0,
      })),
      second: new LruCache<"clean" | "dirty">(parameters.secondLevel),
      busFree: 0,
      memoryFree: 0,
    }))
    const cores = this.#nodes.flatMap((node) => node.cores)
    this.#cpus = Array.from({ length: cpus }, (_, cpu) => ({
      time: 0,
      core: defined(cores[Math.floor(cpu / threadsPerCore)], "every CPU has a core"),
      counters: Object.fromEntries(TIMING_COUNTERS.map((name) => [name, 0])) as Record<TimingCounter, number>,
    }))
  }

  counters(cpu: number): CpuTiming {
    const { time, counters } = this.#cpu(cpu)
    return { cycles: time, ...counters }
  }

  pageMisses(frame: number): PageMisses {
    const none = (): number[] => this.#nodes.map(() => 0)
    return this.#pages.get(frame) ?? { reads: none(), writes: none() }
  }

  /**
   * Whose instruction comes next: the CPU that can issue first; ties go to who has waited longer, then to the lower number. It waits until its
   * core is free.
   */
  begin(runnable: readonly number[]): number {
    const byTurn = (a: number, b: number): number => this.#ready(a) - this.#ready(b) || this.#cpu(a).time - this.#cpu(b).time || a - b
    const next = defined([...runnable].sort(byTurn)[0], "somebody is runnable")
    const cpu = this.#cpu(next)
    cpu.counters.issueWaitCycles += this.#ready(next) - cpu.time
    cpu.time = this.#ready(next)
    this.#began = cpu.time
    return next
  }

  #ready(cpu: number): number {
    const { time, core } = this.#cpu(cpu)
    return Math.max(time, core.issueFree)
  }

  /**
   * An instruction has issued: its core can take the next one, of whichever thread, a cycle later. One that stood still before its issue
   * takes the core from nobody: the other thread went on meanwhile.
   */
  issue(cpu: number): void {
    const state = this.#cpu(cpu)
    const late = state.time !== this.#began
    state.time += 1
    if (!late) state.core.issueFree = state.time
  }

  /** A translated access to a page. */
  translated(cpu: number, root: bigint, page: number): void {
    const { core, counters } = this.#cpu(cpu)
    if (core.tlb.touch(root, page)) return
    const { missCycles } = this.#parameters.tlb
    counters.tlbMisses += 1
    counters.tlbStallCycles += missCycles
    this.#cpu(cpu).time += missCycles
  }

  flushTlb(cpu: number): void {
    this.#cpu(cpu).core.tlb.flush()
  }

  /** Bytes within one page, `offset` from the beginning of RAM. */
  access(cpu: number, access: Access, offset: number, bytes: number): void {
    const first = Math.floor(offset / LINE_BYTES)
    const last = Math.floor((offset + bytes - 1) / LINE_BYTES)
    for (let line = first; line <= last; line++) this.#touch(this.#cpu(cpu), access, line)
  }

  /** Who has the line in a first level, and how: for laws. */
  holders(line: number): readonly { readonly cache: "fetch" | "data"; readonly state: FirstState }[] {
    return this.#nodes.flatMap(({ cores }) =>
      cores.flatMap(({ fetch, data }) => [
        ...(fetch.find(line) === null ? [] : [{ cache: "fetch" as const, state: "shared" as const }]),
        ...(data.find(line) === null ? [] : [{ cache: "data" as const, state: present(data.find(line)).state }]),
      ]),
    )
  }

  home(frame: number): number | null {
    return this.#homes.get(frame) ?? null
  }

  place(frame: number, node: number): void {
    this.#homes.set(frame, node)
  }

  migrate(frame: number, to: number): void {
    for (const line of linesOf(frame)) {
      for (const node of this.#directory.get(line)?.nodes ?? []) this.#dropNode(this.#cpu(0), node, line)
      this.#directory.delete(line)
    }
    this.#homes.set(frame, to)
    this.#copies.delete(frame)
  }

  replicate(frame: number, on: readonly number[]): void {
    for (const line of linesOf(frame)) {
      const holders = this.#directory.get(line)
      if (holders?.alone !== true) continue
      this.#shareNode(this.#cpu(0), onlyOf(holders.nodes), line)
      holders.alone = false
    }
    this.#copies.set(frame, new Set([...(this.#copies.get(frame) ?? []), ...on]))
  }

  copies(frame: number): readonly number[] {
    return [...(this.#copies.get(frame) ?? [])].sort((a, b) => a - b)
  }

  #cpu(cpu: number): Cpu {
    return defined(this.#cpus[cpu], "the CPU exists")
  }

  #node(node: number): Node {
    return defined(this.#nodes[node], "the node exists")
  }

  #touch(cpu: Cpu, access: Access, line: number): void {
    const { core, counters } = cpu
    const before = cpu.time
    if (access === "fetch") {
      if (core.fetch.find(line) !== null) core.fetch.touch(line)
      else {
        counters.fetchMisses += 1
        this.#miss(cpu, access, line)
        core.fetch.insert(line, "shared")
        counters.fetchStallCycles += cpu.time - before
      }
      return
    }
    const held = core.data.find(line)
    if (held === null) {
      counters.dataMisses += 1
      const state = this.#miss(cpu, access, line)
      const victim = core.data.insert(line, state)
      if (victim?.state === "modified") present(this.#node(core.node).second.find(victim.line)).state = "dirty"
      counters.dataStallCycles += cpu.time - before
      return
    }
    core.data.touch(line)
    if (access === "read") return
    if (held.state === "shared") {
      held.state = this.#upgrade(cpu, line)
      counters.dataStallCycles += cpu.time - before
    } else held.state = "modified"
  }

  #wait(cpu: Cpu, until: number): void {
    if (until <= cpu.time) return
    cpu.counters.queueCycles += until - cpu.time
    cpu.time = until
  }

  #takeBus(cpu: Cpu): void {
    const node = this.#node(cpu.core.node)
    this.#wait(cpu, node.busFree)
    node.busFree = cpu.time + this.#parameters.busOccupancyCycles
  }

  #takeMemory(cpu: Cpu, node: number): void {
    this.#wait(cpu, this.#node(node).memoryFree)
    this.#node(node).memoryFree = cpu.time + this.#parameters.memoryOccupancyCycles
  }

  #writeBack(cpu: Cpu, line: number): void {
    const home = this.#node(this.#homeOf(line, 0))
    home.memoryFree = Math.max(home.memoryFree, cpu.time) + this.#parameters.memoryOccupancyCycles
    cpu.counters.writeBacks += 1
  }

  #homeOf(line: number, toucher: number): number {
    const frame = frameOf(line)
    const known = this.#homes.get(frame)
    if (known !== undefined) return known
    const { placement, nodes } = this.#parameters
    const home = placement === "first-touch" ? toucher : placement === "interleave" ? frame % nodes : 0
    this.#homes.set(frame, home)
    return home
  }

  #entry(line: number): Holders {
    const known = this.#directory.get(line)
    if (known !== undefined) return known
    const none: Holders = { nodes: new Set(), alone: false }
    this.#directory.set(line, none)
    return none
  }

  /** 1. the bus; 2. another core of the node, or the second level; 3. else memory. */
  #miss(cpu: Cpu, access: Access, line: number): FirstState {
    const { core, counters } = cpu
    const node = this.#node(core.node)
    this.#takeBus(cpu)
    const second = node.second.find(line)
    if (second === null) return this.#missSecond(cpu, access, line)
    const modified = node.cores.some((other) => other.data.find(line)?.state === "modified")
    const shared = node.cores.some((other) => this.#otherCopy(core, other, access, line))
    node.second.touch(line)
    if (modified) second.state = "dirty"
    cpu.time += modified ? this.#parameters.transferCycles : this.#parameters.secondLevel.hitCycles
    counters[modified ? "transfers" : "secondLevelHits"] += 1
    const { alone } = this.#entry(line)
    if (access !== "write") {
      if (shared) for (const other of node.cores) share(other, line)
      return access === "read" && !shared && alone ? "exclusive" : "shared"
    }
    if (!alone) this.#claim(cpu, line)
    return this.#takeFromOthers(cpu, line, shared)
  }

  /** Is there a copy of the line in this core that is not the very cache that missed? */
  #otherCopy(core: Core, other: Core, access: Access, line: number): boolean {
    const inFetch = other.fetch.find(line) !== null
    const inData = other.data.find(line) !== null
    if (other !== core) return inFetch || inData
    return access === "fetch" ? inData : inFetch
  }

  /** A store to a line that the core's data cache holds shared. */
  #upgrade(cpu: Cpu, line: number): FirstState {
    const { core } = cpu
    this.#takeBus(cpu)
    cpu.counters.upgrades += 1
    cpu.time += this.#parameters.transferCycles
    const shared = this.#node(core.node).cores.some((other) => this.#otherCopy(core, other, "write", line))
    if (!this.#entry(line).alone) this.#claim(cpu, line)
    return this.#takeFromOthers(cpu, line, shared)
  }

  #takeFromOthers(cpu: Cpu, line: number, shared: boolean): FirstState {
    if (!shared) return "modified"
    const node = this.#node(cpu.core.node)
    if (this.#parameters.protocol === "update") {
      for (const other of node.cores) if (other !== cpu.core) share(other, line)
      present(node.second.find(line)).state = "dirty"
      cpu.counters.updates += 1
      return "shared"
    }
    for (const other of node.cores) {
      const fetch = other.fetch.drop(line) !== null
      const data = other !== cpu.core && other.data.drop(line) !== null
      if (fetch || data) cpu.counters.copiesInvalidated += 1
    }
    return "modified"
  }

  /** The node has the line, others may: it asks the home to be the only one. */
  #claim(cpu: Cpu, line: number): void {
    const { node } = cpu.core
    this.#countPage(line, node, "write")
    const home = this.#homeOf(line, node)
    this.#takeMemory(cpu, home)
    const elsewhere = this.#dropElsewhere(cpu, line)
    const far = home !== node || elsewhere
    cpu.counters[far ? "remoteMisses" : "localMisses"] += 1
    cpu.time += far ? this.#parameters.remoteCycles : this.#parameters.localCycles
    this.#collapse(cpu, line)
    this.#directory.set(line, { nodes: new Set([node]), alone: true })
  }

  /** 3. From home, from a copy of the page on this node, or from the node that has the line alone. */
  #missSecond(cpu: Cpu, access: Access, line: number): FirstState {
    const { counters } = cpu
    const { node } = cpu.core
    const { localCycles, remoteCycles, remoteDirtyCycles } = this.#parameters
    const write = access === "write"
    this.#countPage(line, node, write ? "write" : "read")
    const home = this.#homeOf(line, node)
    const copies = this.#copies.get(frameOf(line))
    const server = !write && copies?.has(node) === true ? node : home
    this.#takeMemory(cpu, server)
    const holders = this.#entry(line)
    let latency = server === node ? localCycles : remoteCycles
    let far = server !== node
    if (holders.alone) {
      const owner = onlyOf(holders.nodes)
      const thirdNode = owner !== home && home !== node
      if (thirdNode) counters.threeHopMisses += 1
      latency = thirdNode ? remoteDirtyCycles : remoteCycles
      far = true
      if (write) this.#dropNode(cpu, owner, line)
      else this.#shareNode(cpu, owner, line)
    } else if (write && this.#dropElsewhere(cpu, line)) {
      latency = remoteCycles
      far = true
    }
    counters[far ? "remoteMisses" : "localMisses"] += 1
    this.#fillSecond(cpu, line)
    cpu.time += latency
    if (write) this.#collapse(cpu, line)
    const alone = write || (holders.nodes.size === 0 && (copies?.size ?? 0) === 0)
    this.#directory.set(line, { nodes: alone ? new Set([node]) : new Set([...holders.nodes, node]), alone })
    return write ? "modified" : alone && access === "read" ? "exclusive" : "shared"
  }

  #fillSecond(cpu: Cpu, line: number): void {
    const { node: number } = cpu.core
    const node = this.#node(number)
    const victim = node.second.insert(line, "clean")
    if (victim === null) return
    let dirty = victim.state === "dirty"
    for (const core of node.cores) {
      core.fetch.drop(victim.line)
      if (core.data.drop(victim.line)?.state === "modified") dirty = true
    }
    const holders = this.#entry(victim.line)
    holders.nodes.delete(number)
    if (holders.nodes.size === 0) holders.alone = false
    if (dirty) this.#writeBack(cpu, victim.line)
  }

  #dropElsewhere(cpu: Cpu, line: number): boolean {
    const others = [...this.#entry(line).nodes].filter((node) => node !== cpu.core.node)
    for (const node of others) this.#dropNode(cpu, node, line)
    return others.length > 0
  }

  #dropNode(cpu: Cpu, number: number, line: number): void {
    const node = this.#node(number)
    for (const core of node.cores) {
      const fetch = core.fetch.drop(line) !== null
      const data = core.data.drop(line) !== null
      if (fetch || data) cpu.counters.copiesInvalidated += 1
    }
    node.second.drop(line)
  }

  /** The node that had the line alone keeps it shared; what it changed goes to memory. */
  #shareNode(cpu: Cpu, number: number, line: number): void {
    const node = this.#node(number)
    let dirty = false
    for (const core of node.cores) if (share(core, line)) dirty = true
    const second = present(node.second.find(line))
    if (second.state === "dirty") dirty = true
    second.state = "clean"
    if (dirty) this.#writeBack(cpu, line)
  }

  #collapse(cpu: Cpu, line: number): void {
    if (!this.#copies.delete(frameOf(line))) return
    cpu.counters.collapses += 1
    cpu.time += this.#parameters.collapseCycles
  }

  #countPage(line: number, node: number, access: "read" | "write"): void {
    const frame = frameOf(line)
    const page = this.#pages.get(frame) ?? { reads: this.#nodes.map(() => 0), writes: this.#nodes.map(() => 0) }
    this.#pages.set(frame, page)
    const counts = access === "write" ? page.writes : page.reads
    counts[node] = (counts[node] ?? 0) + 1
  }
}

/** A copy in a data cache loses the right to be written; gives whether it was modified. */
function share(core: Core, line: number): boolean {
  const held = core.data.find(line)
  if (held === null) return false
  const modified = held.state === "modified"
  held.state = "shared"
  return modified
}

/** The second level holds what the first does, and what its node has alone. */
function present<Entry>(entry: Entry | null): Entry {
  assert(entry !== null, "the second level holds the line")
  return entry
}

function onlyOf(nodes: ReadonlySet<number>): number {
  return defined([...nodes][0], "a line that is held alone has a holder")
}

function frameOf(line: number): number {
  return Math.floor(line / LINES_PER_PAGE)
}

function linesOf(frame: number): readonly number[] {
  return Array.from({ length: LINES_PER_PAGE }, (_, index) => frame * LINES_PER_PAGE + index)
}
