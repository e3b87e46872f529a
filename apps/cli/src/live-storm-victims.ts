/**
 * What a live storm kills: the processes that host schedulers. Those of the stack are started again by it; the program in another language
 * is ours to start again.
 *
 * The places of a kill are those of the simulated storm: the scheduler before the swap or the one after it, in one of the swap's steps. A
 * live swap is asked for, written, told to the nodes, attached to and decided within some tens of milliseconds; a step is a part of that.
 */
import { spawn, type ChildProcess } from "node:child_process"
import type { PolicyName } from "@backplane/scenario-machine/machine-spec"
import { queuesOf, schedulerActor } from "@backplane/scenario-machine/topology"
import { environmentOf, untilHeard } from "./attached-program.ts"
import { ROOT } from "./checkout.ts"
import { bad } from "./failure.ts"
import { readStack, type StackClient, type StackProcess } from "./stack-client.ts"

export const SERVICE = "storm-service"
const ATTACH_AGAIN_MILLISECONDS = 2_000
const RESTART_MILLISECONDS = 500
/** A process is there again when it has been ready for so long: then it hosts what it hosted before. */
const UP_MILLISECONDS = 3_000
const SIDES = ["before", "after"] as const
/** From the asking on. */
const STEPS = 10
const STEP_MILLISECONDS = 4
/** Steps are taken in an order in which neighbours are far apart: a storm cut short has been in all parts of a swap. */
const STEP_STRIDE = 3

/** `null`: the service. */
export interface Around {
  readonly before: PolicyName | null
  readonly after: PolicyName | null
  /** Of the machine. */
  readonly cpus: number
}

interface Listed {
  readonly machine: string
  readonly actors: readonly { readonly actor: string; readonly instance: string }[]
}

export class StormVictims {
  readonly #client: StackClient
  readonly #command: string | null
  readonly #killEvery: number
  readonly #instance = `${SERVICE}-${process.pid}`
  readonly #killTimes: number[] = []
  #startedAt = 0
  #swaps = 0
  /** Kills so far: says which place is next. */
  #kills = 0
  #child: ChildProcess | null = null
  #again: NodeJS.Timeout | undefined
  /** Was heard of, once. */
  #isSeated = false
  #isOver = false

  /** `killEvery`: one swap in so many, of all machines together; 0: none. */
  constructor(client: StackClient, { command, killEvery }: { readonly command: string | null; readonly killEvery: number }) {
    this.#client = client
    this.#command = command
    this.#killEvery = killEvery
  }

  async begin(): Promise<void> {
    if (this.#command === null) return
    await this.#firstLife(this.#command)
    const manifest = { name: SERVICE, version: "1", contract: 1, language: "", layout: "all", features: [] }
    const attach = (): Promise<unknown> => this.#client.office({ op: "attach", instance: this.#instance, manifest })
    await attach()
    this.#again = setInterval(() => void attach().catch(() => undefined), ATTACH_AGAIN_MILLISECONDS)
  }

  /** Nobody would take its turns where the program does not run: the storm would go on without it, and say nothing. */
  async #firstLife(command: string): Promise<void> {
    const child = this.#start(command)
    const ended = new Promise<never>((_, reject) => {
      child.once("exit", (code) => {
        reject(
          bad(
            "--service",
            `\`${command}\` has ended with ${code ?? "a signal"} before it was heard of; give a program that runs, or --no-service`,
          ),
        )
      })
    })
    await Promise.race([untilHeard(this.#client, this.#instance), ended])
    this.#isSeated = true
  }

  #start(command: string): ChildProcess {
    const env = environmentOf(this.#client.state, this.#instance)
    const child = spawn(`exec ${command}`, { shell: true, cwd: ROOT, env, stdio: ["ignore", "ignore", "inherit"] })
    this.#child = child
    this.#startedAt = Date.now()
    child.once("exit", (_code, signal) => {
      const again = (): void => void (this.#isOver || !this.#isSeated || this.#child !== child || this.#start(command))
      // What we killed comes back at once; what ends by itself would do so again and again.
      if (signal === "SIGKILL") again()
      else setTimeout(again, RESTART_MILLISECONDS).unref()
    })
    return child
  }

  get #hosts(): readonly StackProcess[] {
    return (readStack(this.#client.state.home)?.processes ?? []).filter(({ name }) => name.startsWith("cpu-scheduler"))
  }

  /** None of them was killed lately. */
  get areThere(): boolean {
    const before = Date.now() - UP_MILLISECONDS
    return this.#hosts.every(({ phase, since }) => phase === "ready" && since < before) && this.#startedAt < before
  }

  get places(): number {
    return SIDES.length * STEPS
  }

  get placesKilled(): number {
    return Math.min(this.#kills, this.places)
  }

  killedWithin(at: number, milliseconds: number): boolean {
    return this.#killTimes.some((time) => time >= at - STEPS * STEP_MILLISECONDS && time <= at + milliseconds)
  }

  /**
   * A swap of this machine is about to be asked for. If it is one in whose course a process is killed, that happens meanwhile, in the place
   * whose turn it is. False: not this one, or somebody is still coming back from the last time.
   */
  async killInNext(machine: string, around: Around): Promise<boolean> {
    if (this.#killEvery === 0 || ++this.#swaps % this.#killEvery !== 0 || !this.areThere) return false
    const place = this.#kills % this.places
    const side = SIDES[place % SIDES.length] ?? "before"
    const step = (Math.floor(place / SIDES.length) * STEP_STRIDE) % STEPS
    const at = Date.now() + step * STEP_MILLISECONDS
    const victim = await this.#hostOf(machine, around[side], around.cpus)
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, at - Date.now())))
    if (victim === null) return false
    this.#kills++
    this.#killTimes.push(Date.now())
    if (victim === this.#instance) return this.#child?.kill("SIGKILL") ?? false
    // By its pid, not by way of its supervisor: the moment counts.
    const pid = this.#hosts.find(({ name }) => name === victim)?.pid ?? null
    if (pid !== null) process.kill(pid, "SIGKILL")
    return pid !== null
  }

  /** The process of one of the policy's schedulers. */
  async #hostOf(machine: string, policy: PolicyName | null, cpus: number): Promise<string | null> {
    if (policy === null) return this.#instance
    const { machines } = (await this.#client.office({ op: "list" })) as unknown as { readonly machines: readonly Listed[] }
    const actors = machines.find((one) => one.machine === machine)?.actors ?? []
    const queues = queuesOf(policy, cpus)
    const wanted: string = schedulerActor(queues[this.#kills % queues.length] ?? "all")
    return actors.find(({ actor }) => actor === wanted)?.instance ?? null
  }

  async end(): Promise<void> {
    this.#isOver = true
    clearInterval(this.#again)
    this.#child?.kill("SIGKILL")
    if (this.#command !== null) await this.#client.office({ op: "detach", service: SERVICE }).catch(() => undefined)
  }
}
