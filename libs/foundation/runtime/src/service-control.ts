/**
 * The control side of a service: carries out `host`, `unhost`, `ping` and `report` on the hosts of its machines.
 *
 * Requests are done one after the other; each may be repeated: (machine, actor, epoch) says whether it was done already.
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Machine } from "@backplane/foundation-actor/machine"
import {
  isMachineName,
  parseControlRequest,
  type AliveNotice,
  type ControlReply,
  type ControlRequest,
  type HostMode,
} from "./control-protocol.ts"
import type { ActorToHost, MachineHost } from "./machine-host.ts"
import { ActorConfigError, type ActorFactory, type ServiceReport } from "./service-options.ts"
import { StoreDamagedError } from "./store.ts"

const WAITING_MAX = 64

export interface ServiceControlOptions {
  readonly service: string
  readonly instance: string
  readonly incarnation: string
  readonly pid: number
  readonly actorFactory: ActorFactory
  readonly makeHost: (machine: string, mode: HostMode) => MachineHost
  /** Makes peers unreachable on purpose; answers how many messages that has cost so far. */
  readonly cut: (peers: readonly ActorId[] | "all") => number
  readonly counts: () => Readonly<Record<string, number>>
}

interface Running {
  readonly machine: string
  readonly mode: HostMode
  readonly host: MachineHost
}

interface Made {
  readonly machine: Machine
  /** What the factory asked for with `whenGone`. */
  readonly gone: readonly (() => void)[]
}

function letGo(gone: Made["gone"]): void {
  for (const then of gone) then()
}

type HostRequest = Extract<ControlRequest, { op: "host" }>
type Rejection = Extract<ControlReply, { ok: false }>

export class ServiceControl {
  readonly #options: ServiceControlOptions
  /** By machine and mode: the machine clock runs freely beside a machine in lock-step. */
  readonly #running = new Map<string, Running>()
  /** `<machine> <actor>` → the machine of the actor, to look into, and what is to be let go of with it. */
  readonly #machines = new Map<string, Made>()
  #last: Promise<unknown> = Promise.resolve()
  #waiting = 0
  #stopped = false

  constructor(options: ServiceControlOptions) {
    this.#options = options
  }

  /** Answers one request, whatever it is. Never rejects. */
  async answer(value: unknown): Promise<ControlReply> {
    const request = parseControlRequest(value)
    if ("ok" in request) return request
    if (request.op === "ping") return this.#pong()
    if (request.op === "report") return this.report()
    if (request.op === "cut") return { ok: true, op: "cut", lost: this.#options.cut(request.peers) }
    if (request.op === "inspect") return this.#inspect(request.machine, request.actor)
    if (this.#waiting >= WAITING_MAX) return no("", `${WAITING_MAX} requests wait already: ask again later`)
    this.#waiting++
    const done = this.#last.then(() => (request.op === "host" ? this.#host(request) : this.#unhost(request.machine, request.actors)))
    this.#last = done.catch(() => undefined)
    try {
      return await done
    } catch (error) {
      return no("", error instanceof Error ? error.message : String(error))
    } finally {
      this.#waiting--
    }
  }

  hosting(): AliveNotice["hosting"] {
    return this.#reports().map(({ machine, actor, epoch }) => ({ machine, actor, epoch }))
  }

  stop(reason: string): void {
    this.#stopped = true
    for (const { host } of this.#running.values()) host.stop(reason)
    this.#running.clear()
  }

  #pong(): ControlReply {
    const { service, instance, incarnation } = this.#options
    return { ok: true, op: "ping", service, instance, incarnation }
  }

  report(): ServiceReport {
    const { service, instance, incarnation, pid, counts } = this.#options
    return { ok: true, op: "report", service, instance, incarnation, pid, actors: this.#reports(), bus: counts() }
  }

  #inspect(machine: string, actor: ActorId): ControlReply {
    const hosted = this.#machines.get(`${machine} ${actor}`)
    if (hosted === undefined) return no("/actor", `${actor} of ${machine} is not hosted here`)
    return { ok: true, op: "inspect", machine, actor, state: hosted.machine.inspect?.() ?? null }
  }

  #reports(): ReturnType<MachineHost["reports"]> {
    return [...this.#running.values()].flatMap(({ host }) => host.reports())
  }

  async #host(request: HostRequest): Promise<ControlReply> {
    const { machine, epoch, mode } = request
    if (this.#stopped) return no("", "the service is stopping")
    const obstacle = this.#obstacle(request)
    if (obstacle !== null) return obstacle
    const already = request.actors.filter(({ id }) => this.#hostOf(machine, id)?.epochOf(id) === epoch).map(({ id }) => id)
    const made: (ActorToHost & Made)[] = []
    for (const [index, { id, config }] of request.actors.entries()) {
      if (already.includes(id)) continue
      const machineOrNo = this.#make(request, index, id, config)
      if ("ok" in machineOrNo) {
        for (const { gone } of made) letGo(gone)
        return machineOrNo
      }
      made.push({ actor: id, epoch, ...machineOrNo })
    }
    const host = this.#hostFor(machine, mode)
    for (const each of made) {
      if (this.#hostOf(machine, each.actor)?.remove(each.actor) === true) this.#forget(machine, each.actor)
      try {
        await host.add(each)
        this.#machines.set(`${machine} ${each.actor}`, each)
      } catch (error) {
        for (const { gone } of made.slice(made.indexOf(each))) letGo(gone)
        if (error instanceof StoreDamagedError)
          return no(`/actors/${request.actors.findIndex(({ id }) => id === each.actor)}`, error.message)
        throw error
      }
    }
    return { ok: true, op: "host", started: made.map(({ actor }) => actor), already }
  }

  #obstacle(request: HostRequest): Rejection | null {
    const { machine, epoch, mode } = request
    if (!isMachineName(machine)) return no("/machine", "not a machine's name")
    const running = this.#running.get(keyOf(machine, mode))
    if (running !== undefined && !sameMode(running.mode, mode)) {
      return no("/mode", `${machine} runs here as ${JSON.stringify(running.mode)}: unhost it first`)
    }
    for (const [index, { id }] of request.actors.entries()) {
      const current = this.#hostOf(machine, id)?.epochOf(id) ?? null
      if (current !== null && epoch < current) return no("/epoch", `${id} runs here with epoch ${current}; ${epoch} is older`)
      const other = this.#hostOf(machine, id)
      if (current === epoch && other !== running?.host) return no(`/actors/${index}`, `${id} runs here in the other mode`)
    }
    return null
  }

  #make(request: HostRequest, index: number, id: ActorId, config: HostRequest["actors"][number]["config"]): Made | Rejection {
    const { machine, epoch, mode } = request
    const gone: (() => void)[] = []
    try {
      return { machine: this.#options.actorFactory(id, config, { machine, epoch, mode, whenGone: (then) => void gone.push(then) }), gone }
    } catch (error) {
      letGo(gone)
      if (error instanceof ActorConfigError) return no(`/actors/${index}/config${error.field}`, error.message)
      return no(`/actors/${index}/config`, error instanceof Error ? error.message : String(error))
    }
  }

  #unhost(machine: string, actors: readonly ActorId[] | "all"): Promise<ControlReply> {
    const stopped: ActorId[] = []
    for (const [key, running] of [...this.#running]) {
      if (running.machine !== machine) continue
      const here = running.host.reports().map(({ actor }) => actor)
      for (const actor of actors === "all" ? here : here.filter((each) => actors.includes(each))) {
        if (!running.host.remove(actor)) continue
        stopped.push(actor)
        this.#forget(machine, actor)
      }
      if (running.host.reports().length > 0) continue
      running.host.stop("the machine was taken off this service")
      this.#running.delete(key)
    }
    return Promise.resolve({ ok: true, op: "unhost", stopped })
  }

  #forget(machine: string, actor: ActorId): void {
    letGo(this.#machines.get(`${machine} ${actor}`)?.gone ?? [])
    this.#machines.delete(`${machine} ${actor}`)
  }

  #hostFor(machine: string, mode: HostMode): MachineHost {
    const key = keyOf(machine, mode)
    const running = this.#running.get(key) ?? { machine, mode, host: this.#options.makeHost(machine, mode) }
    this.#running.set(key, running)
    return running.host
  }

  #hostOf(machine: string, actor: ActorId): MachineHost | null {
    for (const running of this.#running.values()) if (running.machine === machine && running.host.has(actor)) return running.host
    return null
  }
}

function keyOf(machine: string, mode: HostMode): string {
  return `${machine} ${mode.kind}`
}

/** A free host may be asked for without naming its pace. */
function sameMode(running: HostMode, asked: HostMode): boolean {
  if (running.kind === "lock-step" || asked.kind === "lock-step") return JSON.stringify(running) === JSON.stringify(asked)
  const samePace = asked.cyclesPerSecond === undefined || asked.cyclesPerSecond === running.cyclesPerSecond
  return samePace && (asked.originMilliseconds === undefined || asked.originMilliseconds === running.originMilliseconds)
}

function no(field: string, reason: string): Rejection {
  return { ok: false, field, reason }
}
