import { describe, expect, it } from "vitest"
import { FULL_SPEED, loadOf, threadSpeeds, type ThreadLoad } from "./core-speed.ts"

const near = { capacity: FULL_SPEED, memoryPercent: 100 }
const thread = (stallPermille: number): ThreadLoad => loadOf(stallPermille, near)

/** The same two threads by following the chain itself: four states, from one to the next in small steps, until nothing changes. */
function bySteps([a, b]: readonly [ThreadLoad, ThreadLoad]): readonly number[] {
  // p[i][j]: a computes (1) or waits (0), b likewise.
  let p = [0.25, 0.25, 0.25, 0.25] as [number, number, number, number]
  const step = 0.002
  for (let n = 0; n < 200_000; n++) {
    const [none, onlyB, onlyA, both] = p
    const flow = {
      aStarts: (q: number) => (step * q) / a.stall,
      bStarts: (q: number) => (step * q) / b.stall,
      aEnds: (q: number, share: number) => (step * q * share) / a.compute,
      bEnds: (q: number, share: number) => (step * q * share) / b.compute,
    }
    p = [
      none - flow.aStarts(none) - flow.bStarts(none) + flow.aEnds(onlyA, 1) + flow.bEnds(onlyB, 1),
      onlyB + flow.bStarts(none) + flow.aEnds(both, 0.5) - flow.bEnds(onlyB, 1) - flow.aStarts(onlyB),
      onlyA + flow.aStarts(none) + flow.bEnds(both, 0.5) - flow.aEnds(onlyA, 1) - flow.bStarts(onlyA),
      both + flow.aStarts(onlyB) + flow.bStarts(onlyA) - flow.aEnds(both, 0.5) - flow.bEnds(both, 0.5),
    ]
  }
  const [, onlyB, onlyA, both] = p
  return [(onlyA + both / 2) / a.compute, (onlyB + both / 2) / b.compute].map((rate) => Math.round(FULL_SPEED * rate))
}

describe("hardware threads of a core", () => {
  it("one alone runs at full speed, whatever it is made of", () => {
    for (const stall of [0, 100, 500, 999]) expect(threadSpeeds([thread(stall)])).toEqual([FULL_SPEED])
  })

  it("two that never wait have half each; two that hardly compute do not feel each other", () => {
    expect(threadSpeeds([thread(0), thread(0)])).toEqual([512, 512])
    for (const speed of threadSpeeds([thread(999), thread(999)])) expect(speed).toBeGreaterThan(1020)
  })

  it("what a second thread brings grows with how often they wait: 1.6 times at one half", () => {
    expect(threadSpeeds([thread(500), thread(500)])).toEqual([819, 819])
    const gains = [0, 100, 200, 400, 600, 800].map((stall) => (2 * (threadSpeeds([thread(stall), thread(stall)])[0] ?? 0)) / FULL_SPEED)
    for (const [index, gain] of gains.entries()) if (index > 0) expect(gain).toBeGreaterThan(gains[index - 1] ?? 0)
  })

  it("unlike threads: the closed form agrees with the chain followed step by step", () => {
    for (const [a, b] of [
      [500, 500],
      [200, 700],
      [900, 100],
    ] as const) {
      const speeds = threadSpeeds([thread(a), thread(b)])
      for (const [index, expected] of bySteps([thread(a), thread(b)]).entries())
        expect(Math.abs((speeds[index] ?? 0) - expected)).toBeLessThanOrEqual(2)
    }
  })

  it("more threads do more together, and each of them less", () => {
    let before = { each: FULL_SPEED, together: FULL_SPEED }
    for (let threads = 2; threads <= 8; threads++) {
      const each = threadSpeeds(Array.from({ length: threads }, () => thread(600)))[0] ?? 0
      expect(each).toBeLessThan(before.each)
      expect(each * threads).toBeGreaterThan(before.together)
      before = { each, together: each * threads }
    }
  })

  it("half the frequency halves what is computed, and hardly touches a task that waits for memory", () => {
    expect(threadSpeeds([loadOf(0, { capacity: 512, memoryPercent: 100 })])).toEqual([512])
    expect(threadSpeeds([loadOf(800, { capacity: 512, memoryPercent: 100 })])[0]).toBeGreaterThan(850)
  })

  it("far memory slows only what waits for it", () => {
    expect(threadSpeeds([loadOf(0, { capacity: FULL_SPEED, memoryPercent: 300 })])).toEqual([FULL_SPEED])
    expect(threadSpeeds([loadOf(500, { capacity: FULL_SPEED, memoryPercent: 300 })])).toEqual([512])
  })
})
