/** The root README says what is: its JSON fits the contracts, its commands exist, its links lead somewhere. */
import { execFileSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import type { Json } from "@backplane/foundation-base/json"
import { MessageCodec } from "@backplane/scenario-codec/message-codec"
import type { TSchema } from "typebox"
import { Value } from "typebox/value"
import { describe, expect, it } from "vitest"
import { AliveNotice, HostRequest } from "./host-schemas.ts"
import { ROOT } from "./catalogue-files.ts"

const README = readFileSync(join(ROOT, "README.md"), "utf8")
/** One for each thing that one comes for. */
const JOURNEYS = ["run-it", "trace-a-trap", "swap-a-scheduler", "boot-your-own-kernel"].map((name) => `apps/cli/${name}.md`)
const PAGES = [README, ...JOURNEYS.map((path) => readFileSync(join(ROOT, path), "utf8"))]
const DEADLINE_MS = 60_000

/** Bodies of fenced blocks in a language, also of those that stand in a list. */
function blocksOf(language: string): readonly string[] {
  return [...PAGES.join("\n").matchAll(new RegExp(`^ *\`\`\`${language}\\n([^]*?)^ *\`\`\``, "gm"))].map((match) => match[1] ?? "")
}

/** Commands after `npx backplane` in the text: word for word what a reader types. */
const COMMANDS = [...new Set([...PAGES.join("\n").matchAll(/^\$? ?npx backplane ([a-z]+)/gm)].map((match) => match[1] ?? ""))]

describe("the README", () => {
  const codec = new MessageCodec()
  const schemaOf = (value: Json): TSchema => (value !== null && typeof value === "object" && "op" in value ? HostRequest : AliveNotice)

  it.each(blocksOf("json").map((text) => [text.trim().slice(0, 60), text] as const))("shows a message as it is: %s", (_, text) => {
    const value = JSON.parse(text) as Json
    if (value !== null && typeof value === "object" && "kind" in value) expect(codec.decode(value).rejection).toBeUndefined()
    else expect(Value.Check(schemaOf(value), value)).toBe(true)
  })

  it("shows the whole conversation with an external scheduler", () => {
    const kinds = blocksOf("json").map((text) => (JSON.parse(text) as { kind?: string; op?: string }).kind)
    expect(kinds.filter((kind) => kind !== undefined)).toEqual([
      "SchedulerAttach",
      "SchedulerEvents",
      "SchedulerCommit",
      "SchedulerVerdicts",
    ])
  })

  it.each(["README.md", ...JOURNEYS])("links to what is there: %s", (page) => {
    const text = readFileSync(join(ROOT, page), "utf8")
    const links = [...text.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)].map((match) => match[1] ?? "")
    expect(links.filter((link) => !existsSync(join(ROOT, dirname(page), link)))).toEqual([])
    if (page === "README.md") for (const journey of JOURNEYS) expect(links).toContain(journey)
  })

  it("shows every app, subsystem and tool in its tree", () => {
    const tree = README.slice(README.indexOf("## The tree"))
    const tracked = execFileSync("git", ["ls-files", "apps", "libs", "infra", "tools"], { cwd: ROOT, encoding: "utf8" }).split("\n")
    const names = new Set(tracked.filter((path) => path.split("/").length > 2).map((path) => path.split("/")[1] ?? ""))
    expect([...names].filter((name) => !new RegExp(`\\b${name}\\b`).test(tree))).toEqual([])
  })

  it("names files that are there", () => {
    const files = [...README.matchAll(/(?:apps|tools|libs|infra)\/[\w./-]+\.(?:yaml|py|bin|elf|mjs|svg|ts)/g)].map(([file]) => file)
    // apps/my-sched is what the reader is told to make.
    expect([...new Set(files)].filter((file) => !file.startsWith("apps/my-sched/") && !existsSync(join(ROOT, file)))).toEqual([])
  })

  it(
    "names commands that there are",
    () => {
      const help = execFileSync(process.execPath, [join(ROOT, "apps/cli/src/main.ts"), "--help"], { encoding: "utf8" })
      const known = [...help.matchAll(/^ {2}([a-z]+) /gm)].map((match) => match[1])
      expect(COMMANDS.length).toBeGreaterThan(8)
      expect(COMMANDS.filter((command) => !known.includes(command))).toEqual([])
    },
    DEADLINE_MS,
  )

  it("shows the first run as it is", () => {
    const args = ["jobs", "--cpus", "2", "--list", "a:100:100,b:100:50,c:100:50"]
    const printed = execFileSync(process.execPath, [join(ROOT, "apps/cli/src/main.ts"), ...args], { encoding: "utf8" })
    expect(README).toContain(`$ npx backplane ${args.join(" ")}\n${printed}`)
  })
})
