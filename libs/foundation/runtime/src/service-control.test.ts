/** What a factory has opened for an actor is let go of with that life of it, however it ends here. */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Machine } from "@backplane/foundation-actor/machine"
import { describe, expect, it } from "vitest"
import type { MachineHost } from "./machine-host.ts"
import { ServiceControl } from "./service-control.ts"
import { ActorConfigError } from "./service-options.ts"
import { StoreDamagedError } from "./store.ts"

const IDLE: Machine = { start: () => [], step: () => [] }

/** Hosts by name only; an actor `node.damaged` has a damaged state on disk. */
function host(): MachineHost {
  const epochs = new Map<ActorId, number>()
  return {
    add: ({ actor, epoch }) => {
      if (actor === "node.damaged") return Promise.reject(new StoreDamagedError("a file", "it is no JSON"))
      epochs.set(actor, epoch)
      return Promise.resolve()
    },
    remove: (actor) => epochs.delete(actor),
    has: (actor) => epochs.has(actor),
    epochOf: (actor) => epochs.get(actor) ?? null,
    reports: () =>
      [...epochs].map(([actor, epoch]) => {
        const zeros = { inboxLength: 0, inboxDropped: 0, inputs: 0, sent: 0, timers: 0, now: 0 }
        return { machine: "m", actor, epoch, mode: "free", ...zeros }
      }),
    stop: () => epochs.clear(),
  }
}

function control(): { readonly ask: (request: object) => Promise<boolean>; readonly open: Set<string> } {
  const open = new Set<string>()
  const service = new ServiceControl({
    ...{ service: "numa-node", instance: "numa-node-0", incarnation: "a", pid: 1, makeHost: host },
    ...{ cut: () => 0, counts: () => ({}) },
    actorFactory: (actor, config, { epoch, whenGone }) => {
      const file = `${actor} ${epoch}`
      open.add(file)
      whenGone(() => open.delete(file))
      if (config === "bad") throw new ActorConfigError("", "it is bad")
      return IDLE
    },
  })
  return { ask: async (request) => (await service.answer({ machine: "m", ...request })).ok, open }
}

const of = (...ids: string[]): object[] => ids.map((id) => ({ id, config: null }))

describe("what is opened for an actor", () => {
  it("stays open while it lives here, and its next life has its own", async () => {
    const { ask, open } = control()
    expect(await ask({ op: "host", epoch: 1, actors: of("node.0", "node.1") })).toBe(true)
    expect(await ask({ op: "host", epoch: 1, actors: of("node.0") })).toBe(true)
    expect([...open]).toEqual(["node.0 1", "node.1 1"])
    expect(await ask({ op: "host", epoch: 2, actors: of("node.0") })).toBe(true)
    expect([...open]).toEqual(["node.1 1", "node.0 2"])
  })

  it("is closed when the actor is taken off", async () => {
    const { ask, open } = control()
    await ask({ op: "host", epoch: 1, actors: of("node.0", "node.1") })
    expect(await ask({ op: "unhost", actors: ["node.1"] })).toBe(true)
    expect([...open]).toEqual(["node.0 1"])
    expect(await ask({ op: "unhost", actors: "all" })).toBe(true)
    expect([...open]).toEqual([])
  })

  it("is closed where the actor does not come to life: by its configuration, by that of another, by its state on disk", async () => {
    const { ask, open } = control()
    expect(await ask({ op: "host", epoch: 1, actors: [...of("node.0"), { id: "node.1", config: "bad" }] })).toBe(false)
    expect([...open]).toEqual([])
    expect(await ask({ op: "host", epoch: 1, actors: of("node.damaged", "node.2") })).toBe(false)
    expect([...open]).toEqual([])
  })
})
