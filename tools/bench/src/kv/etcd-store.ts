/** etcd, three members, as Debian packages it; asked over gRPC (`etcdserverpb.KV`), reads linearizable as by default. */
import { join } from "node:path"
import { credentials, Client, type ServiceError } from "@grpc/grpc-js"
import { freePorts } from "@backplane/foundation-process/free-ports"
import { findProgram, launch, until } from "./programs.ts"
import type { KvConnection, RunningStore, StoreUnderTest } from "./store-under-test.ts"

const MEMBERS = 3

/** Field 1 and perhaps 2, length-delimited: all that a PutRequest and a RangeRequest need here (rpc.proto of etcd). */
function fields(first: string, second?: string): Buffer {
  const parts = [first, ...(second === undefined ? [] : [second])].map((text, index) => {
    const bytes = Buffer.from(text)
    return Buffer.concat([Buffer.from([((index + 1) << 3) | 2]), varint(bytes.length), bytes])
  })
  return Buffer.concat(parts)
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80)
  return Buffer.from([...bytes, rest])
}

const asIs = (bytes: Buffer): Buffer => bytes

function open(address: string): KvConnection {
  // A pool of its own: else all clients of a process share one connection.
  const client = new Client(address, credentials.createInsecure(), { "grpc.use_local_subchannel_pool": 1 })
  const call = (method: string, request: Buffer): Promise<Buffer> =>
    new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        `/etcdserverpb.KV/${method}`,
        asIs,
        asIs,
        request,
        { deadline: Date.now() + 10_000 } as never,
        (error: ServiceError | null, answer?: Buffer) => (error === null ? resolve(answer ?? Buffer.alloc(0)) : reject(error)),
      )
    })
  return {
    get: (key) => call("Range", fields(key)),
    put: (key, value) => call("Put", fields(key, value)),
    close: () => client.close(),
  }
}

async function start(folder: string): Promise<RunningStore | null> {
  const program = findProgram("etcd")
  if (program === null) return null
  const ports = await freePorts(2 * MEMBERS)
  const client = (member: number): string => `http://127.0.0.1:${ports[member]}`
  const peer = (member: number): string => `http://127.0.0.1:${ports[MEMBERS + member]}`
  const members = Array.from({ length: MEMBERS }, (_, member) => member)
  const cluster = members.map((member) => `m${member}=${peer(member)}`).join(",")
  const programs = members.map((member) =>
    launch([
      program,
      ...["--name", `m${member}`, "--data-dir", join(folder, `m${member}`)],
      ...["--listen-client-urls", client(member), "--advertise-client-urls", client(member)],
      ...["--listen-peer-urls", peer(member), "--initial-advertise-peer-urls", peer(member)],
      ...["--initial-cluster", cluster, "--initial-cluster-state", "new", "--logger", "zap", "--log-level", "error"],
    ]),
  )
  const stop = async (): Promise<void> => void (await Promise.all(programs.map((each) => each.stop())))
  let opened = 0
  await until("etcd", async () => {
    const connection = open(`127.0.0.1:${ports[0]}`)
    await connection.put("ready", "yes").finally(() => connection.close())
  }).catch(async (error: unknown) => {
    await stop()
    throw error
  })
  return {
    pids: programs.map(({ pid }) => pid),
    connect: () => Promise.resolve(open(`127.0.0.1:${ports[opened++ % MEMBERS]}`)),
    stop,
  }
}

export const etcdStore: StoreUnderTest = { name: "etcd", start }
