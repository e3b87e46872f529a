import { describe, expect, it } from "vitest"
import { failingSeeds, runTwice } from "@backplane/foundation-simulation/replay"
import { Random } from "@backplane/foundation-base/random"
import { FAULT_CLASSES, type FaultClass } from "./kv-faults.ts"
import { runKvWorld, type KvWorldOptions } from "./kv-world.ts"
import { PLANTED_BUGS } from "./planted-bugs.ts"
import { hunt } from "./score.ts"

const scenario =
  (options: KvWorldOptions = {}) =>
  (seed: number): ReturnType<typeof runKvWorld>["world"] =>
    runKvWorld(seed, options).world

describe("a store under chosen faults", () => {
  it("keeps them under each class of fault alone", { timeout: 600_000 }, () => {
    for (const name of FAULT_CLASSES) expect(() => runKvWorld(7, { classes: new Set([name]), cycles: 20_000_000 }), name).not.toThrow()
  })

  it("keeps them under pairs of classes", { timeout: 600_000 }, () => {
    const random = new Random("pairs")
    for (let pair = 0; pair < 10; pair++) {
      const classes = new Set<FaultClass>([random.pick(FAULT_CLASSES), random.pick(FAULT_CLASSES)])
      expect(() => runKvWorld(100 + pair, { classes, cycles: 20_000_000 }), [...classes].join(" and ")).not.toThrow()
    }
  })

  it("has one fingerprint a seed", () => {
    const world = runTwice(scenario({ cycles: 10_000_000 }), 3)
    expect(world.fingerprint).not.toBe(scenario({ cycles: 10_000_000 })(4).fingerprint)
  })
})

describe("session guarantees", () => {
  const options: KvWorldOptions = {
    buckets: ["weak"],
    classes: new Set(["partition", "delay"]),
    pauseMax: 200_000,
    cycles: 20_000_000,
    fingerprint: "off",
  }

  it("hold with the token and are seen broken without it", () => {
    const held = failingSeeds(scenario({ ...options, tokens: "with" }), { count: 10 })
    const broken = failingSeeds(scenario({ ...options, tokens: "without" }), { count: 10 })
    expect([...held.values()]).toEqual([])
    expect([...broken.values()].some((why) => why.includes("session:"))).toBe(true)
  })
})

describe("planted bugs", () => {
  // Those that a seed or two catches; the score command hunts the others longer.
  const QUICK = [
    "acknowledges before the disk has it",
    "acknowledges at W − 1",
    "lww decided by arrival",
    "vector merge that overwrites",
    "keys that do not remember their requests",
    "session token ignored",
    "disk that is told done without a sync",
    "damaged voter that goes on voting",
    "majority that is none",
  ]
  it.each(PLANTED_BUGS.filter(({ name, directed }) => directed !== undefined || QUICK.includes(name)))("$name: is caught", (bug) => {
    expect(hunt(bug, 10)).not.toBeNull()
  })

  it("the scripts find nothing without a bug", () => {
    for (const { name, directed } of PLANTED_BUGS) for (const seed of [1, 2]) expect(() => directed?.({}, seed), name).not.toThrow()
  })

  it("there are all of the quick ones, and without a bug the same hunts find nothing", { timeout: 120_000 }, () => {
    expect(PLANTED_BUGS.filter(({ name }) => QUICK.includes(name)).length).toBe(QUICK.length)
    for (const bug of PLANTED_BUGS.slice(0, 8)) {
      const { rules: _rules, diskBugs: _diskBugs, ...sound } = bug.hunt
      expect(() => runKvWorld(1, { ...sound, fingerprint: "off" }), bug.name).not.toThrow()
    }
  })
})
