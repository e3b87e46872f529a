/** A policy of the user's own: a file that exports one, as `npx nx g @backplane/generators:scheduler` makes it. */
import { existsSync } from "node:fs"
import { resolve } from "node:path"
import { pathToFileURL } from "node:url"
import type { QueuePolicyKind } from "@backplane/schedule-policies/queue-policy"
import { FlagError } from "../whole-flag.ts"
import { contenderOf, contenderOfOwn, type Contender } from "./contender.ts"

const WANTED = "name, layout (all or cpu), slices (aligned or own), steal and create (libs/schedule/policies/src/queue-policy.ts)"

/** Names of policies, and files of one's own among them, comma-separated. Each once. */
export async function contendersOf(text: string): Promise<readonly Contender[]> {
  const contenders: Contender[] = []
  for (const name of new Set(text.split(",").map((one) => one.trim())))
    contenders.push(isFile(name) ? contenderOfOwn(await ownPolicy(name), name) : contenderOf(name))
  const twice = contenders.find(({ label }, index) => contenders.findIndex((one) => one.label === label) !== index)
  if (twice !== undefined) throw new FlagError(`--policies: two are named ${twice.label}; give one of them another name`)
  return contenders
}

function isFile(name: string): boolean {
  return /\.[mc]?[jt]s$/.test(name)
}

/** Throws where the file is not there, cannot be loaded, or has not just one. */
export async function ownPolicy(path: string): Promise<QueuePolicyKind> {
  const file = resolve(path)
  if (!existsSync(file)) throw new FlagError(`--policies: there is no file ${path}`)
  let exported: object
  try {
    exported = (await import(pathToFileURL(file).href)) as object
  } catch (error) {
    throw new FlagError(`--policies: ${path} cannot be loaded: ${error instanceof Error ? error.message : String(error)}`)
  }
  const [policy, ...more] = [...new Set(Object.values(exported))].filter(isPolicy)
  if (policy === undefined) throw new FlagError(`--policies: ${path} exports no policy: an object with ${WANTED}`)
  if (more.length > 0) throw new FlagError(`--policies: ${path} exports ${more.length + 1} policies; give a file with one`)
  return policy
}

function isPolicy(value: unknown): value is QueuePolicyKind {
  if (typeof value !== "object" || value === null) return false
  const { name, layout, slices, steal, create } = value as Readonly<Record<string, unknown>>
  const isNamed = typeof name === "string" && name !== "" && typeof steal === "string" && typeof create === "function"
  return isNamed && (layout === "all" || layout === "cpu") && (slices === "aligned" || slices === "own")
}
