/**
 * A node's shared memories beside whatever else the node does: for each space that an operator opens here, harts on an engine of its own,
 * whose pages are kept coherent with the other nodes'. A wrapper: the node inside hears everything that is not about pages or spaces.
 *
 * What runs is the program that came with the space; an `ecall` ends a hart. Pages are told to a home in a new life for all spaces together, those of
 * the node inside (of VMs over several nodes) among them.
 */
import { event, send } from "@backplane/foundation-actor/effects"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Body, Effect, Input, Machine, Restored } from "@backplane/foundation-actor/machine"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { decodeBase64 } from "@backplane/foundation-base/base64"
import { PAGE_BYTES, RAM_BASE, type Engine, type EngineExit, type EngineOptions } from "@backplane/compute-contract/engine"
import type { PageText } from "@backplane/memory-agent/agent-options"
import { pagesReports } from "@backplane/memory-agent/page-reports"
import { VM_SPACE_PREFIX } from "@backplane/scenario-machine/vm-span"
import type { PageMessage, PagesAsk, PagesGone, PagesReport } from "@backplane/memory-contract/coherence-messages"
import type { SpaceAnswer, SpaceAsk, SpaceClose, SpaceOpen } from "@backplane/memory-contract/memory-operator-messages"
import { BareNodeMachine, type BareNodeConfig, type BareNodeHears, type HartDriver } from "./bare-node.ts"

export interface SpaceHostOptions {
  readonly node: number
  readonly nodes: number
  readonly incarnation: number
  readonly makeEngine: (options: EngineOptions) => Engine
  /** The memory controller of a page, and its page store; absent: the machine has none. */
  readonly homeOf: (page: number) => ActorId
  readonly storeOf?: (page: number) => ActorId
  readonly nodeActor: (node: number) => ActorId
  /** See `AgentOptions`. */
  readonly retryCycles: number
  readonly pinCycles: number
  readonly countCycles: number
  readonly text?: PageText
}

interface Space {
  readonly open: SpaceOpen
  readonly machine: BareNodeMachine
  readonly engine: Engine
  /** Numbers of the harts that lie here, in the order of the engine's CPUs. */
  readonly harts: readonly number[]
}

/** Memories at once; each has an engine. */
const SPACES_MAX = 64
/** Pages that are read ahead at most, and fewer are not worth it. */
export const WALK_PAGES = 64
const WALK_PAGES_MIN = 4
const PREFIX = "space/"
const A0 = 10
const A1 = 11
const QUANTUM_INSTRUCTIONS = 1_000

type Asked = SpaceOpen | SpaceAsk | SpaceClose

export class SpaceHost implements Machine {
  readonly #inside: Machine
  readonly #options: SpaceHostOptions
  readonly #spaces = new Map<string, Space>()

  constructor(inside: Machine, options: SpaceHostOptions) {
    this.#inside = inside
    this.#options = options
  }

  /** The node itself, for people and checkers. */
  get inside(): Machine {
    return this.#inside
  }

  start(now: VirtualTime, restored: Restored): readonly Effect<Body>[] {
    return this.#inside.start(now, restored)
  }

  inspect(): ReturnType<NonNullable<Machine["inspect"]>> {
    return this.#inside.inspect?.() ?? null
  }

  step(now: VirtualTime, input: Input<Body>): readonly Effect<Body>[] {
    if (!isOurs(input)) return this.#inside.step(now, input)
    if (input.kind === "timer") {
      const end = input.key.indexOf("/", PREFIX.length)
      return this.#inSpace(now, input.key.slice(PREFIX.length, end), { kind: "timer", key: input.key.slice(end + 1) })
    }
    if (input.kind !== "message") return []
    const { from } = input
    const body = input.body as PageMessage | PagesAsk | PagesGone | Asked
    switch (body.kind) {
      case "SpaceOpen":
        return this.#onOpen(now, from, body)
      case "SpaceAsk":
        return [
          this.#answer(from, body, this.#spaces.has(body.space) ? "" : `there is no space ${body.space} on node ${this.#options.node}`),
        ]
      case "SpaceClose":
        this.#spaces.delete(body.space)
        return [this.#answer(from, body, "")]
      case "PagesAsk": {
        const spaces = [...this.#spaces.values()].flatMap(({ machine }) => machine.agent.asked(from, body) ?? [])
        // The home takes what a node tells for all that it has: what the node inside has is told with it.
        const inside = this.#inside.step(now, input)
        const theirs = inside.flatMap((effect) => reportOf(effect)?.spaces ?? [])
        const told: readonly Effect<Body>[] = pagesReports(this.#options.node, body.epoch, [...spaces, ...theirs]).map((report) =>
          send(from, report as Body),
        )
        const recounted = [...this.#spaces].flatMap(([space, { machine }]) => this.#recount(now, space, machine))
        return [...told, ...inside.filter((effect) => reportOf(effect) === null), ...recounted]
      }
      case "PagesGone": {
        const here = [...this.#spaces.keys()].flatMap((space) => [...this.#inSpace(now, space, { kind: "message", from, body })])
        return [...here, ...this.#inside.step(now, input)]
      }
      default:
        if (!this.#spaces.has(body.space)) return this.#inside.step(now, input)
        return this.#inSpace(now, body.space, { kind: "message", from, body })
    }
  }

  #onOpen(now: VirtualTime, from: ActorId, open: SpaceOpen): readonly Effect<Body>[] {
    const known = this.#spaces.get(open.space)
    if (known !== undefined)
      return [this.#answer(from, open, known.open.request === open.request ? "" : `there is a space ${open.space} already`)]
    const refused = this.#refusal(open)
    if (refused !== null) return [this.#answer(from, open, refused)]
    const harts = open.harts.flatMap((node, hart) => (node === this.#options.node ? [hart] : []))
    const engine = this.#options.makeEngine({ memoryBytes: open.pages * PAGE_BYTES, cpus: Math.max(1, harts.length) })
    engine.writeMemory(RAM_BASE, decodeBase64(open.program))
    harts.forEach((hart, cpu) => {
      engine.writePc(cpu, RAM_BASE)
      engine.writeRegister(cpu, A0, BigInt(hart))
      engine.writeRegister(cpu, A1, BigInt(open.harts.length))
    })
    const { node, nodes, incarnation, homeOf, storeOf, nodeActor, retryCycles, pinCycles, countCycles, text } = this.#options
    const balloon: Balloon = { target: () => machine.agent.balloon, spare: (page) => { machine.spare(page) } } // prettier-ignore
    const machine: BareNodeMachine = new BareNodeMachine({
      space: open.space,
      node,
      nodes,
      incarnation,
      engine,
      driver: new ProgramDriver(engine, { harts: harts.length, pages: open.pages, balloon }),
      seed: `${open.space}/${open.request}`,
      homeOf,
      ...(storeOf !== undefined && { storeOf }),
      nodeActor,
      retryCycles,
      pinCycles,
      countCycles,
      ...(text !== undefined && { text }),
      ...(open.copiesMax > 0 && { copiesMax: open.copiesMax }),
      ...walksOf(open),
    })
    this.#spaces.set(open.space, { open, machine, engine, harts })
    const began = this.#wrap(open.space, machine.start(now))
    return [
      event("space-opened", { "backplane.space": open.space, "backplane.node": node, "backplane.count": harts.length }),
      ...began,
      this.#answer(from, open, ""),
    ]
  }

  #refusal({ space, program, pages, harts }: SpaceOpen): string | null {
    if (this.#spaces.size >= SPACES_MAX) return `node ${this.#options.node} has ${SPACES_MAX} spaces; close one with \`memory stop\``
    if (space.includes("/")) return "space: a name has no slash"
    if (space.startsWith(VM_SPACE_PREFIX)) return `space: names that begin with ${VM_SPACE_PREFIX} are of virtual machines; give another`
    const bytes = decodeBase64(program).length
    if (bytes > pages * PAGE_BYTES) return `program: ${bytes} bytes do not fit in ${pages} pages`
    const beyond = harts.find((node) => node >= this.#options.nodes)
    return beyond === undefined ? null : `harts: there is no node ${beyond}`
  }

  #answer(to: ActorId, { request, space }: Asked, refused: string): Effect<Body> {
    const known = this.#spaces.get(space)
    const states = known?.machine.states() ?? []
    const body: SpaceAnswer = {
      kind: "SpaceAnswer",
      request,
      space,
      node: this.#options.node,
      answer: refused === "" ? "done" : "refused",
      reason: refused,
      harts: (known?.harts ?? []).map((hart, cpu) => ({
        hart,
        state: states[cpu] ?? "done",
        instructions: Number(known?.engine.readInstret(cpu) ?? 0n),
        result: `0x${(known?.engine.readRegister(cpu, A0) ?? 0n).toString(16)}`,
      })),
    }
    return send(to, body as Body)
  }

  #inSpace(now: VirtualTime, space: string, input: Input<BareNodeHears>): readonly Effect<Body>[] {
    const known = this.#spaces.get(space)
    return known === undefined ? [] : this.#wrap(space, known.machine.step(now, input))
  }

  #recount(now: VirtualTime, space: string, machine: BareNodeMachine): readonly Effect<Body>[] {
    const out: Effect<Body>[] = []
    machine.agent.recount(now, out)
    return this.#wrap(space, out)
  }

  /** Timers of a space have its name before their own. */
  #wrap(space: string, effects: readonly Effect<Body>[]): readonly Effect<Body>[] {
    return effects.map((effect) => (effect.kind === "timer" ? { ...effect, key: `${PREFIX}${space}/${effect.key}` } : effect))
  }
}

/** Who keeps only a few copies reads none ahead: they would push each other out. */
function walksOf({ pages, copiesMax }: SpaceOpen): Pick<BareNodeConfig, "walkPages"> {
  const ahead = copiesMax === 0 ? WALK_PAGES : Math.min(WALK_PAGES, copiesMax >> 2)
  return ahead < WALK_PAGES_MIN ? {} : { walkPages: { ahead, pages, when: "if-free" } }
}

/** What the node inside says to a home in a new life; null: the effect is something else. */
function reportOf(effect: Effect<Body>): PagesReport | null {
  return effect.kind === "send" && effect.body.kind === "PagesReport" ? (effect.body as PagesReport) : null
}

function isOurs(input: Input<Body>): boolean {
  if (input.kind === "timer") return input.key.startsWith(PREFIX)
  if (input.kind !== "message") return false
  const { kind } = input.body
  return kind.startsWith("Page") || kind === "SpaceOpen" || kind === "SpaceAsk" || kind === "SpaceClose"
}

/** What a guest may be asked for and may give. */
interface Balloon {
  target(): number
  spare(page: number): void
}

/** What an `ecall` asks for, by a7; anything else is the end. */
const CALLS = { balloonTarget: 1n, sparePage: 2n } as const
const ECALL = 0x73
const A7 = 17

/**
 * Harts that run a program until it says that it is done. Calls of the host: a7 = 1 gives in a0 how many pages the guest had better do without in
 * all; a7 = 2 says that it does without the page whose number is in a0 (its bytes are zero or what they were when it is touched again).
 */
class ProgramDriver implements HartDriver {
  readonly #engine: Engine
  readonly #guest: { readonly harts: number; readonly pages: number; readonly balloon: Balloon }
  readonly #ended = new Set<number>()

  constructor(engine: Engine, guest: { readonly harts: number; readonly pages: number; readonly balloon: Balloon }) {
    this.#engine = engine
    this.#guest = guest
  }

  budget(cpu: number): number | null {
    return cpu >= this.#guest.harts || this.#ended.has(cpu) ? null : QUANTUM_INSTRUCTIONS
  }

  /** An `ecall` without a number is the end; so is everything else that a bare hart cannot do. */
  left(cpu: number, exit: EngineExit): boolean {
    if (exit.kind === "system" && exit.instruction === ECALL && this.#serve(cpu)) return false
    this.#ended.add(cpu)
    this.#engine.clearReservation(cpu)
    return true
  }

  #serve(cpu: number): boolean {
    const { balloon, pages } = this.#guest
    const call = this.#engine.readRegister(cpu, A7)
    const page = Number(BigInt.asUintN(53, this.#engine.readRegister(cpu, A0)))
    if (call === CALLS.balloonTarget) this.#engine.writeRegister(cpu, A0, BigInt(balloon.target()))
    else if (call === CALLS.sparePage && page < pages) balloon.spare(page)
    else return false
    this.#engine.writePc(cpu, this.#engine.readPc(cpu) + 4n)
    this.#engine.writeInstret(cpu, this.#engine.readInstret(cpu) + 1n)
    return true
  }
}
