/** The feed asks once for all, only while somebody looks, and never queues for the slow. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { MachineFeed } from "./machine-feed.ts"

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function feed(watchersMax = 3): { feed: MachineFeed; looks: () => number } {
  let looks = 0
  const options = { look: () => Promise.resolve({ look: ++looks }), everyMilliseconds: 100, watchersMax }
  return { feed: new MachineFeed(options), looks: () => looks }
}

const collecting = (into: string[]) => ({ take: (state: string) => (into.push(state), Promise.resolve()) })

describe("the machine feed", () => {
  it("asks once for two watchers, and not at all for none", async () => {
    const { feed: machine, looks } = feed()
    await vi.advanceTimersByTimeAsync(500)
    expect(looks()).toBe(0)
    const [one, two]: [string[], string[]] = [[], []]
    const leaves = [machine.watch(collecting(one)), machine.watch(collecting(two))]
    await vi.advanceTimersByTimeAsync(300)
    expect(looks()).toBe(3)
    expect(one).toEqual(['{"look":1}', '{"look":2}', '{"look":3}'])
    expect(two).toEqual(one)
    for (const leave of leaves) leave?.()
    await vi.advanceTimersByTimeAsync(500)
    expect(looks()).toBe(3)
  })

  it("a slow watcher misses states and slows nobody", async () => {
    const { feed: machine } = feed()
    const [slow, fast]: [string[], string[]] = [[], []]
    let release = (): void => undefined
    machine.watch({ take: (state) => (slow.push(state), new Promise<void>((resolve) => (release = resolve))) })
    machine.watch(collecting(fast))
    await vi.advanceTimersByTimeAsync(500)
    expect(slow).toEqual(['{"look":1}'])
    expect(fast).toHaveLength(5)
    release()
    await vi.advanceTimersByTimeAsync(100)
    expect(slow).toEqual(['{"look":1}', '{"look":6}'])
  })

  it("one that is gone is forgotten", async () => {
    const { feed: machine, looks } = feed()
    machine.watch({ take: () => Promise.reject(new Error("closed")) })
    await vi.advanceTimersByTimeAsync(500)
    expect(machine.watchers).toBe(0)
    expect(looks()).toBe(1)
  })

  it("has a limit", () => {
    const { feed: machine } = feed(1)
    expect(machine.watch(collecting([]))).not.toBeNull()
    expect(machine.watch(collecting([]))).toBeNull()
  })

  it("says that the machine does not answer", async () => {
    const machine = new MachineFeed({ look: () => Promise.reject(new Error("no office")), everyMilliseconds: 100, watchersMax: 1 })
    const said: string[] = []
    machine.watch(collecting(said))
    await vi.advanceTimersByTimeAsync(100)
    expect(said).toEqual(['{"failed":"no office"}'])
  })
})
