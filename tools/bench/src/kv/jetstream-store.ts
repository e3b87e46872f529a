/** NATS JetStream KV with three replicas: a cluster of three nats-servers, a bucket on files. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { StorageType } from "@nats-io/jetstream"
import { Kvm } from "@nats-io/kv"
import { connect } from "@nats-io/transport-node"
import { freePorts } from "@backplane/foundation-process/free-ports"
import { findProgram, launch, until } from "./programs.ts"
import type { KvConnection, RunningStore, StoreUnderTest } from "./store-under-test.ts"

const SERVERS = 3
const BUCKET = "bench"

function config(server: number, options: { readonly ports: readonly number[]; readonly folder: string }): string {
  const { ports, folder } = options
  const routes = Array.from({ length: SERVERS }, (_, other) => `nats://127.0.0.1:${ports[SERVERS + other]}`)
  return [
    `server_name: s${server}`,
    `listen: "127.0.0.1:${ports[server]}"`,
    `jetstream: { store_dir: ${JSON.stringify(join(folder, `s${server}`))} }`,
    `cluster: { name: bench, listen: "127.0.0.1:${ports[SERVERS + server]}", routes: ${JSON.stringify(routes)} }`,
  ].join("\n")
}

async function open(port: number): Promise<KvConnection> {
  const connection = await connect({ servers: `nats://127.0.0.1:${port}`, timeout: 10_000 })
  const kv = await new Kvm(connection).open(BUCKET)
  return {
    get: (key) => kv.get(key),
    put: (key, value) => kv.put(key, value),
    close: () => connection.close(),
  }
}

async function start(folder: string): Promise<RunningStore | null> {
  const program = findProgram("nats-server")
  if (program === null) return null
  const ports = await freePorts(2 * SERVERS)
  mkdirSync(folder, { recursive: true })
  const programs = Array.from({ length: SERVERS }, (_, server) => {
    const path = join(folder, `s${server}.conf`)
    writeFileSync(path, config(server, { ports, folder }))
    return launch([program, "-c", path])
  })
  const stop = async (): Promise<void> => void (await Promise.all(programs.map((each) => each.stop())))
  await until(
    "JetStream",
    async () => {
      const connection = await connect({ servers: `nats://127.0.0.1:${ports[0]}`, reconnect: false })
      try {
        const kv = await new Kvm(connection).create(BUCKET, { replicas: SERVERS, storage: StorageType.File, history: 1 })
        await kv.put("ready", "yes")
      } finally {
        await connection.close()
      }
    },
    40_000,
  ).catch(async (error: unknown) => {
    await stop()
    throw error
  })
  let opened = 0
  return { pids: programs.map(({ pid }) => pid), connect: () => open(ports[opened++ % SERVERS] ?? 0), stop }
}

export const jetstreamStore: StoreUnderTest = { name: "jetstream", start }
