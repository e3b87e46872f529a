/** A store of real processes that can be hurt: nats-server, shards, gateways; killed, paused, cut off, started again. */
import { spawn, type ChildProcess } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { connect, type NatsConnection } from "@nats-io/transport-node"
import { startNatsServer, type RunningServer } from "@backplane/nats/start-server"
import { nodeArguments } from "@backplane/stack/service-manifest"
import { makeWholePackages } from "@backplane/stack/whole-packages"

const ROOT = join(import.meta.dirname, "../../..")
const OPERATOR = "chaos"
/** A slow computer may be given more, as a stack may. */
const READY_MILLISECONDS = 1000 * Math.max(30, Number(process.env["BACKPLANE_START_SECONDS"]) || 0)
const ASK_MILLISECONDS = 2_000

export interface ShardState {
  readonly keys: number
  readonly hints: number
  readonly unsure: number
  readonly moving: number
  readonly roots: readonly (string | null)[]
}

class LiveProcess {
  readonly name: string
  readonly #command: readonly string[]
  readonly #environment: NodeJS.ProcessEnv
  #child: ChildProcess | null = null
  /** What it printed last: for a reason when it does not come up. */
  #said = ""
  #isOver = false

  constructor(name: string, command: readonly string[], environment: NodeJS.ProcessEnv) {
    this.name = name
    this.#command = command
    this.#environment = environment
  }

  start(): void {
    if (this.#isOver) return
    const child = spawn(process.execPath, [...this.#command], {
      env: { ...process.env, ...this.#environment },
      stdio: ["ignore", "pipe", "pipe"],
    })
    const hear = (text: unknown): void => void (this.#said = (this.#said + String(text)).slice(-4000))
    child.stdout.on("data", hear)
    child.stderr.on("data", hear)
    this.#child = child
  }

  get said(): string {
    return this.#said
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal)
  }

  /** Kills it for good: whoever still hurts it starts it no more. */
  async end(): Promise<void> {
    this.#isOver = true
    await this.kill()
  }

  /** Kills it and waits until it is gone. */
  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const child = this.#child
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()))
    child.kill(signal)
    await gone
  }
}

export class LiveStore {
  readonly shards: readonly LiveProcess[]
  readonly gateways: readonly LiveProcess[]
  readonly gatewayUrls: readonly string[]
  readonly #server: RunningServer
  readonly #folder: string
  readonly #connection: NatsConnection

  private constructor(
    server: RunningServer,
    connection: NatsConnection,
    folder: string,
    options: { readonly shards: number; readonly ports: readonly number[] },
  ) {
    this.#server = server
    this.#connection = connection
    this.#folder = folder
    const shared = (service: string, index: number): NodeJS.ProcessEnv => ({
      BACKPLANE_NATS_URL: server.url,
      BACKPLANE_NATS_USER: service,
      BACKPLANE_NATS_PASSWORD: server.credentials.get(service),
      BACKPLANE_INSTANCE: `${service}-${index}`,
      BACKPLANE_DATA: folder,
      BACKPLANE_HOME: "",
      BACKPLANE_PARENT_PID: String(process.pid),
      BACKPLANE_KV_SHARDS: String(options.shards),
      BACKPLANE_KV_ZONES: "3",
      BACKPLANE_ANONYMOUS: "read+write+operate",
      NODE_COMPILE_CACHE: join(tmpdir(), "backplane-chaos-compile-cache"),
    })
    const argumentsOf = (service: string): readonly string[] =>
      nodeArguments(service).map((each) => (each.startsWith("-") ? each : join(ROOT, each)))
    this.shards = Array.from(
      { length: options.shards },
      (_, index) => new LiveProcess(`kv-shard-${index}`, argumentsOf("kv-shard"), shared("kv-shard", index)),
    )
    this.gatewayUrls = options.ports.map((port) => `http://127.0.0.1:${port}`)
    this.gateways = options.ports.map(
      (port, index) =>
        new LiveProcess(`gateway-${index}`, argumentsOf("gateway"), {
          ...shared("gateway", index),
          BACKPLANE_GATEWAY_PORT: String(port),
        }),
    )
  }

  /** `until`: rejects where nobody waits for the store any more. A store that does not come up leaves nothing behind. */
  static async start(options: {
    readonly shards: number
    readonly ports: readonly number[]
    readonly until?: Promise<never>
  }): Promise<LiveStore> {
    await makeWholePackages()
    const folder = mkdtempSync(join(tmpdir(), "backplane-chaos-"))
    const server = await startNatsServer({ unrestrictedUsers: [OPERATOR] })
    const connection = await connect({ servers: server.url, user: OPERATOR, pass: server.credentials.get(OPERATOR) ?? "" })
    const store = new LiveStore(server, connection, folder, options)
    for (const each of [...store.shards, ...store.gateways]) each.start()
    try {
      await Promise.race([store.#ready(), ...(options.until === undefined ? [] : [options.until])])
      return store
    } catch (error) {
      await store.stop()
      throw error
    }
  }

  async #ready(): Promise<void> {
    for (const index of this.shards.keys()) await this.shardReady(index)
    for (const index of this.gateways.keys()) await this.gatewayReady(index)
  }

  /** How a user of the bus connects. */
  bus(user: string): { readonly servers: string; readonly user: string; readonly pass: string } {
    return { servers: this.#server.url, user, pass: this.#server.credentials.get(user) ?? "" }
  }

  async shardReady(index: number): Promise<void> {
    await until(
      `kv-shard-${index}`,
      () => this.shards[index]?.said ?? "",
      async () => (await this.stateOf(index)) !== null,
    )
  }

  async gatewayReady(index: number): Promise<void> {
    await until(
      `gateway-${index}`,
      () => this.gateways[index]?.said ?? "",
      async () => (await fetch(`${this.gatewayUrls[index]}/readyz`)).ok,
    )
  }

  /** What the shard's replica says of itself, or null where it does not answer. */
  async stateOf(index: number): Promise<ShardState | null> {
    const answer = await this.#ask(index, { op: "inspect", machine: "store", actor: `replica.${index}` })
    return (answer?.["state"] as unknown as ShardState | undefined) ?? null
  }

  /** Makes replicas unreachable for each other, both ways; an empty list heals. Asked until it is done: a heal that is lost would be a partition for good. */
  async cut(index: number, peers: readonly number[]): Promise<void> {
    const request = { op: "cut", peers: peers.map((peer) => `replica.${peer}`) }
    await until(
      `the cut of kv-shard-${index}`,
      () => this.shards[index]?.said ?? "",
      async () => (await this.#ask(index, request))?.["ok"] === true,
    )
  }

  async stop(): Promise<void> {
    await Promise.all([...this.shards, ...this.gateways].map((each) => each.end()))
    await this.#connection.close()
    await this.#server.stop()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #ask(index: number, request: object): Promise<Readonly<Record<string, unknown>> | null> {
    try {
      return (
        await this.#connection.request(`bp.ctl.host.kv-shard-${index}`, JSON.stringify(request), { timeout: ASK_MILLISECONDS })
      ).json()
    } catch {
      return null
    }
  }
}

async function until(what: string, said: () => string, attempt: () => Promise<boolean>): Promise<void> {
  const began = performance.now()
  while (performance.now() - began < READY_MILLISECONDS) {
    if (await attempt().catch(() => false)) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`${what} is not ready or done after ${READY_MILLISECONDS / 1000} s: ${said().slice(-1500)}`)
}
