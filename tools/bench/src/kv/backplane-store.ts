/** Ours: three kv-shard processes on logs of their own, one nats-server between them and the clients, W = 2 on disk. */
import { join } from "node:path"
import { actorId } from "@backplane/foundation-actor/actor-id"
import { ActorPort } from "@backplane/foundation-runtime/actor-port"
import { linkedNatsBus } from "@backplane/foundation-runtime/link/linked-nats-bus"
import { PacedClock } from "@backplane/foundation-runtime/paced-clock"
import { MemorySink } from "@backplane/foundation-runtime/sinks"
import { KvRequester } from "@backplane/kv-client/requester"
import type { KvAnswer, Operation } from "@backplane/kv-contract/client-messages"
import type { KvMessage } from "@backplane/kv-contract/kv-messages"
import { startNatsServer } from "@backplane/nats/start-server"
import { MessageCodec } from "@backplane/scenario-codec/message-codec"
import { nodeArguments } from "@backplane/stack/service-manifest"
import { makeWholePackages } from "@backplane/stack/whole-packages"
import { connect } from "@nats-io/transport-node"
import { launch, until } from "./programs.ts"
import type { KvConnection, RunningStore, StoreUnderTest } from "./store-under-test.ts"

const ROOT = join(import.meta.dirname, "../../../..")
const SHARDS = 3
const USER = "bench"
const BUCKET = "last"
const MEMBERS = Array.from({ length: SHARDS }, (_, index) => actorId(`replica.${index}`))

let connections = 0

/** A connection that can ask anything. */
export interface BackplaneConnection extends KvConnection {
  ask(operation: Operation): Promise<KvAnswer>
}

async function open(url: string, password: string): Promise<BackplaneConnection> {
  const connection = await connect({ servers: url, user: USER, pass: password })
  const bus = linkedNatsBus({ connection, events: new MemorySink(), codec: new MessageCodec() })
  const requester = new KvRequester({ members: MEMBERS, favourite: connections })
  const clock = new PacedClock({ cyclesPerSecond: 1_000_000, originMilliseconds: 0 })
  const actor = actorId(`gateway.bench-${Date.now().toString(36)}-${connections++}`)
  const port = new ActorPort<KvMessage, KvMessage>({ bus, machineName: "store", actor, machine: requester, clock })
  const ask = async (operation: Operation): Promise<KvAnswer> => {
    const answer = await new Promise<KvAnswer>((done) => port.act((now) => requester.ask(now, { operation, done })))
    if (!answer.ok) throw new Error(`${operation.type} was refused: ${answer.reason}: ${answer.remedy}`)
    return answer
  }
  return {
    ask,
    get: (key) => ask({ type: "get", bucket: BUCKET, key }),
    put: (key, value) => ask({ type: "put", bucket: BUCKET, key, value }),
    close: async () => {
      port.close()
      bus.close()
      await connection.close()
    },
  }
}

interface RunningBackplane extends RunningStore {
  connect(): Promise<BackplaneConnection>
}

/** Three shards and a nats-server on `folder`. */
export async function startBackplane(folder: string): Promise<RunningBackplane> {
  await makeWholePackages()
  const server = await startNatsServer({ unrestrictedUsers: [USER] })
  const password = server.credentials.get(USER) ?? ""
  const shardArguments = nodeArguments("kv-shard").map((each) => (each.startsWith("-") ? each : join(ROOT, each)))
  const shards = Array.from({ length: SHARDS }, (_, index) =>
    launch([process.execPath, ...profilerFlags(index), ...shardArguments], {
      BACKPLANE_NATS_URL: server.url,
      BACKPLANE_NATS_USER: "kv-shard",
      BACKPLANE_NATS_PASSWORD: server.credentials.get("kv-shard"),
      BACKPLANE_INSTANCE: `kv-shard-${index}`,
      BACKPLANE_DATA: folder,
      BACKPLANE_PARENT_PID: String(process.pid),
      BACKPLANE_KV_SHARDS: String(SHARDS),
    }),
  )
  await until("the store", async () => {
    const connection = await open(server.url, password)
    await connection.put("ready", "yes").finally(() => connection.close())
  })
  return {
    pids: [server.pid, ...shards.map(({ pid }) => pid)],
    connect: () => open(server.url, password),
    stop: async () => {
      await Promise.all(shards.map((shard) => shard.stop()))
      await server.stop()
    },
  }
}

/** `BACKPLANE_BENCH_PROFILE=<folder>`: a CPU profile of each shard, to see where the time goes. */
function profilerFlags(index: number): string[] {
  const folder = process.env["BACKPLANE_BENCH_PROFILE"]
  return folder === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${folder}`, `--cpu-prof-name=shard-${index}.cpuprofile`]
}

export const backplaneStore: StoreUnderTest = { name: "backplane", start: startBackplane }
