/** Nodes with shared memories in simulation, under their memory controller, asked by an operator as a live machine is. */
import { actorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import { encodeBase64 } from "@backplane/foundation-base/base64"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import type { Body, Machine } from "@backplane/foundation-actor/machine"
import { World } from "@backplane/foundation-simulation/world"
import type { WorldOptions } from "@backplane/foundation-simulation/world-options"
import { WasmEngine } from "@backplane/compute-engine/engine"
import { sharedProgram, sharedProgramPages, type SharedProgram } from "@backplane/compute-riscv/shared-programs"
import { SpaceHost } from "@backplane/memory-bare/space-host"
import { MemoryControllerMachine } from "@backplane/memory-controller/memory-controller"
import { MemoryPageDevice } from "@backplane/memory-controller/page-device"
import { PageStoreMachine } from "@backplane/memory-controller/page-store"
import { storeOptions, storeSlots } from "@backplane/memory-controller/store-options"
import type { MemoryAnswer, SpaceAnswer, SpaceRules } from "@backplane/memory-contract/memory-operator-messages"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import { controllerOfPage, MEMORY_CONTROLLER, memoryController, nodeActor, pageStoreActor } from "@backplane/scenario-machine/topology"

export interface SpaceWorldOptions {
  readonly seed: number
  readonly nodes: number
  readonly framesPerNode?: number
  /** Pages that the page store keeps; absent: there is none. */
  readonly swapPages?: number
  readonly controllers?: number
  readonly world?: Partial<WorldOptions>
}

export interface SpaceRun {
  readonly space: string
  readonly program: SharedProgram
  readonly pages: number
  readonly rounds: number
  /** The node of each hart. */
  readonly harts: readonly number[]
  readonly copiesMax: number
  readonly rules?: SpaceRules
}

const LATENCY_CYCLES = 20
const RETRY_CYCLES = 400
const PIN_CYCLES = 300
/** What a node that did not hear is asked again by. */
const TICK_CYCLES = 10_000
const COUNT_CYCLES = 2_000
const POLICY_CYCLES = 10_000
const ANSWER_CYCLES = 200_000
const LOOK_CYCLES = 2_000

/** A node that does nothing else. */
const NOTHING_ELSE: Machine = { start: () => [], step: () => [] }

export class SpaceWorld {
  readonly world: World
  readonly #nodes: number
  readonly #controllers: number
  readonly #operator = actorId("operator.0")
  readonly #answers = new Map<string, Body>()
  #asked = 0

  constructor({ seed, nodes, framesPerNode = 4096, swapPages = 0, controllers = 1, world }: SpaceWorldOptions) {
    this.#nodes = nodes
    this.world = new World({ seed, machine: "spaces", latency: LATENCY_CYCLES, stepsMax: 1_000_000_000, fingerprint: "off", ...world })
    const spec = resolveMachineSpec({
      topology: { nodes, cpus: nodes, framesPerNode },
      memory: { swapPages, controllers },
      clock: { tickCycles: TICK_CYCLES },
      jobs: [],
    })
    this.#controllers = controllers
    for (let index = 0; index < controllers; index++) {
      this.world.add(
        memoryController(index),
        (incarnation) =>
          new MemoryControllerMachine({
            ...{ spec, incarnation, index },
            ...{ retryCycles: RETRY_CYCLES, policyCycles: POLICY_CYCLES, strict: true },
          }) as Machine,
      )
      if (swapPages === 0) continue
      const device = new MemoryPageDevice(storeSlots(spec, index))
      const options = { ...storeOptions(spec, index), device, retryCycles: RETRY_CYCLES }
      this.world.add(pageStoreActor(index), () => new PageStoreMachine(options) as Machine)
    }
    for (let node = 0; node < nodes; node++)
      this.world.add(
        nodeActor(node),
        (incarnation) =>
          new SpaceHost(NOTHING_ELSE, {
            node,
            nodes,
            incarnation,
            makeEngine: (options) => new WasmEngine(options),
            homeOf: (page) => memoryController(controllerOfPage(spec, page)),
            ...(swapPages > 0 && { storeOf: (page: number) => pageStoreActor(controllerOfPage(spec, page)) }),
            nodeActor,
            retryCycles: RETRY_CYCLES,
            pinCycles: PIN_CYCLES,
            countCycles: COUNT_CYCLES,
          }),
      )
    this.world.onMessage(({ to, body }) => {
      if (to === this.#operator && "request" in body) this.#answers.set(String(body.request), body)
    })
  }

  /** Asks until there is an answer. */
  ask<Answer extends Body = MemoryAnswer>(to: ActorId, body: Body, request = `request-${++this.#asked}`): Answer {
    for (let tries = 0; tries < 50; tries++) {
      this.world.inject({ from: this.#operator, to, body: { ...body, request } as Body })
      this.world.run({ until: virtualTime(this.world.now + ANSWER_CYCLES), stop: () => this.#answers.has(request) })
      const answer = this.#answers.get(request)
      if (answer !== undefined) return answer as Answer
    }
    throw new Error(`${to} does not answer ${body.kind}`)
  }

  open({ space, program, pages, rounds, harts, copiesMax, rules }: SpaceRun): void {
    if (rules !== undefined) this.#askAll({ kind: "SpaceRulesAsk", space, rules } as Body)
    const code = encodeBase64(sharedProgram(program, { pages, rounds }))
    const open = {
      kind: "SpaceOpen",
      space,
      program: code,
      harts,
      copiesMax,
      pages: sharedProgramPages(program, { pages, harts: harts.length }),
    }
    const request = `open-${space}`
    for (let node = 0; node < this.#nodes; node++) {
      const { answer, reason } = this.ask<SpaceAnswer>(nodeActor(node), open as Body, `${request}-${node}`)
      if (answer !== "done") throw new Error(reason)
    }
  }

  /** Harts of the space as they stand now. */
  harts(space: string): SpaceAnswer["harts"] {
    return Array.from({ length: this.#nodes }, (_, node) =>
      this.ask<SpaceAnswer>(nodeActor(node), { kind: "SpaceAsk", space } as Body),
    ).flatMap(({ harts }) => harts)
  }

  /** Runs until all harts of the space are done, or for so many cycles. */
  finish(space: string, cyclesMax: number): SpaceAnswer["harts"] {
    const until = this.world.now + cyclesMax
    for (;;) {
      const harts = this.harts(space)
      if (harts.every(({ state }) => state === "done" || state === "lost") || this.world.now >= until) return harts
      this.world.run({ until: virtualTime(this.world.now + LOOK_CYCLES) })
    }
  }

  /** What one controller tells of its part. */
  map(space?: string, index = 0): MemoryAnswer {
    return this.ask(memoryController(index), { kind: "MemoryMapAsk", ...(space !== undefined && { space }) } as Body)
  }

  /** Ends a space everywhere. */
  close(space: string): void {
    for (let node = 0; node < this.#nodes; node++) this.ask<SpaceAnswer>(nodeActor(node), { kind: "SpaceClose", space } as Body)
    this.#askAll({ kind: "SpaceClose", space } as Body)
  }

  #askAll(body: Body): void {
    for (let index = 0; index < this.#controllers; index++) this.ask(memoryController(index), body)
  }

  controller(): MemoryControllerMachine | null {
    return this.world.inspect(MEMORY_CONTROLLER, MemoryControllerMachine)
  }
}
