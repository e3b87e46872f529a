/**
 * Processes of services that may grow (shards of the store), remembered in the data folder beside what they hold: one that joined while the stack
 * ran, or by `--shards`, holds its share of the keys, so the next start brings it too. One that was switched off stays off.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { planAnother, type ProcessPlan } from "./process-plan.ts"
import type { ServiceDeclaration } from "./service-manifest.ts"
import type { ProcessState } from "./stack-state.ts"

export interface Regrown {
  /** Beside those that were planned anyway. */
  readonly plans: readonly ProcessPlan[]
  /** Lines for people. */
  readonly notices: readonly string[]
}

/** `counts`: how many of a service the user has asked for, by name; then he has them, and is told what he leaves out. */
export function regrown(
  remembered: readonly string[],
  services: readonly ServiceDeclaration[],
  planned: { readonly plans: readonly ProcessPlan[]; readonly counts: ReadonlyMap<string, number> },
): Regrown {
  const there = new Set(planned.plans.flatMap(({ hosted }) => hosted.map(({ instance }) => instance)))
  const missing = remembered.filter((name) => !there.has(name)).flatMap((name) => planAnother(services, name) ?? [])
  const isLeftOut = ({ hosted }: ProcessPlan): boolean => hosted.some(({ service }) => planned.counts.has(service))
  const notices = missing
    .filter(isLeftOut)
    .map(({ name }) => `${name} is not started, and what it holds is missing: ask for more of its kind, or leave the number out`)
  return { plans: missing.filter((plan) => !isLeftOut(plan)), notices }
}

/** What to remember from now on, in order. */
export function grownAfter(
  before: readonly string[],
  services: readonly ServiceDeclaration[],
  states: readonly Pick<ProcessState, "services" | "phase">[],
): readonly string[] {
  const grow = (instance: string): boolean => services.some(({ name, grows }) => grows && instance.startsWith(`${name}-`))
  const names = new Set(before)
  for (const { services: instances, phase } of states) {
    for (const instance of instances.filter(grow)) {
      if (phase === "off") names.delete(instance)
      // With the stack everything is stopped in the end, what was switched off before, too.
      else if (phase !== "stopped") names.add(instance)
    }
  }
  return [...names].sort()
}

export class GrownFile {
  readonly #path: string
  #names: readonly string[]

  constructor(home: string) {
    this.#path = join(home, "data", "grown.json")
    this.#names = existsSync(this.#path) ? namesIn(readFileSync(this.#path, "utf8")) : []
  }

  get names(): readonly string[] {
    return this.#names
  }

  keep(names: readonly string[]): void {
    if (names.join() === this.#names.join()) return
    this.#names = names
    mkdirSync(dirname(this.#path), { recursive: true })
    writeFileSync(`${this.#path}.new`, JSON.stringify(names))
    renameSync(`${this.#path}.new`, this.#path)
  }
}

/** A file that cannot be read is as none. */
function namesIn(text: string): readonly string[] {
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) ? value.filter((each) => typeof each === "string") : []
  } catch {
    return []
  }
}
