/**
 * The services of the stack: name, how many processes, what must be ready before, how to start one.
 *
 * The table is all there is to say about a service; the supervisor knows none by name except the bus itself.
 */
import { wholePackagesFlags } from "./whole-packages.ts"

/** bus: answers `$SRV.PING.<name>` on NATS. http: a path of the stack's HTTP port answers with success. */
export type Readiness = { readonly kind: "bus" } | { readonly kind: "http"; readonly path: string }

export interface ServiceDeclaration {
  /** Name of the service on the bus (`$SRV.PING.<name>`), of its NATS user and of its folder under apps. */
  readonly name: string
  readonly count: number
  /** Services that must be ready first. The bus is before all and need not be named. */
  readonly dependsOn: readonly string[]
  /** Program and arguments, relative to the checkout. "node" is the Node.js that runs the stack. */
  readonly command: readonly string[]
  readonly readiness: Readiness
  /** Stops after all others but the bus: it takes in what they say at their end. */
  readonly stopsLast: boolean
  /** More of it may be started while the stack runs. */
  readonly grows: boolean
  /** Module that exports `start(environment)`, for sharing a process under `--colocate`; null: always alone. */
  readonly startModule: string | null
}

/** The bus. It is started first and stopped last. */
export const BUS = "nats-server"

/**
 * V8's young generation, in megabytes. What a shard makes for a batch is dead when the batch is answered; in the one megabyte that V8 begins
 * with, too much of it is alive whenever that is full, and is copied: a fifth of the CPU of a request (`kv bench`, same minutes, both ways).
 *
 * And its helpers: four threads a process, woken for each collection of it. A computer has several shards and each has little to copy, so they cost more than
 * they help: a tenth of the CPU of a request (same minutes, both ways, two cores).
 */
const SHARD_MEMORY = ["--min-semi-space-size=16", "--max-semi-space-size=32", "--no-parallel-scavenge", "--v8-pool-size=1"]

/**
 * Of those who pass pages on: what a page is carried in is dead as soon as it has been read or sent, but goes only when the young generation is
 * collected, and until then counts for whether the whole heap is: with V8's sixteen megabytes that is every two thousand pages, a third of the CPU
 * of a page (`bench memory`, same minutes, both ways).
 */
const PAGES_MEMORY = ["--max-semi-space-size=4"]

function app(name: string, options: Partial<ServiceDeclaration> = {}): ServiceDeclaration {
  return {
    name,
    count: 1,
    dependsOn: [],
    command: ["node", `apps/${name}/src/main.ts`],
    readiness: { kind: "bus" },
    stopsLast: false,
    grows: false,
    startModule: `apps/${name}/src/app.ts`,
    ...options,
  }
}

export const SERVICES: readonly ServiceDeclaration[] = [
  app("memory-controller", { command: ["node", ...PAGES_MEMORY, "apps/memory-controller/src/main.ts"] }),
  app("cpu-scheduler", { count: 2 }),
  app("numa-node", { count: 2, command: ["node", ...PAGES_MEMORY, "apps/numa-node/src/main.ts"] }),
  // The store needs nobody, and three copies of everything.
  app("kv-shard", { count: 3, grows: true, command: ["node", ...SHARD_MEMORY, "apps/kv-shard/src/main.ts"] }),
  // The collector of spans and logs: the others flush to it when they stop.
  app("gateway", { readiness: { kind: "http", path: "/readyz" }, stopsLast: true, startModule: null }),
  // Creates machines on the others' processes, so it comes when they can be asked.
  app("hypervisor", { dependsOn: ["memory-controller", "cpu-scheduler", "numa-node"] }),
]

/** What Node.js is given to start a service outside a stack, relative to the checkout: benches and chaos measure what a stack runs. */
export function nodeArguments(name: string): readonly string[] {
  const service = SERVICES.find((each) => each.name === name)
  if (service === undefined) throw new Error(`there is no service ${name}`)
  return [...wholePackagesFlags(), ...service.command.slice(1)]
}
