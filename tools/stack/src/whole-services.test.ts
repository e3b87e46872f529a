/** Services made one file: what is started says the same, and is never of sources that have changed since. */
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { makeWholeServices, startArguments, type Making } from "./whole-services.ts"

const MAIN = "apps/shop/src/main.ts"
const PLACES = "libs/places/src/places.ts"
let root = ""
const making = (): Making => ({ root, names: ["shop"] })
const folder = (): string => join(root, "node_modules/.cache/backplane/whole-services")

/** As old as what somebody checked out a while ago. */
function source(file: string, text: string): void {
  const path = join(root, file)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
  const before = Date.now() / 1000 - 10
  utimesSync(path, before, before)
}

/** What the service prints: of which places its modules are, and from how many modules it was made. */
function said(): { readonly places: unknown; readonly modules: number } {
  const flags = startArguments(["--no-warnings", MAIN], making())
  const args = ["--import", `data:text/javascript,${encodeURIComponent(COUNTING)}`, ...flags]
  const run = spawnSync(process.execPath, args, { encoding: "utf8", cwd: root, timeout: 60_000 })
  expect(run.stderr).toBe("")
  return JSON.parse(run.stdout) as { places: unknown; modules: number }
}

const COUNTING = `
import { registerHooks } from "node:module"
globalThis.modules = 0
registerHooks({ load: (url, context, next) => ((globalThis.modules += url.startsWith("file:") ? 1 : 0), next(url, context)) })`

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), "backplane-services-")))
  source("package-lock.json", "{}")
  source("node_modules/old/package.json", '{"name":"old","version":"1.0.0","main":"lib/index.js"}')
  source("node_modules/old/lib/index.js", "exports.place = [__dirname, __filename]")
  source(PLACES, "export const places: unknown[] = [import.meta.dirname, import.meta.filename, import.meta.url, import.meta.main]")
  source(
    MAIN,
    `import { place } from "old"
     import { places } from "../../../libs/places/src/places.ts"
     const later: { word: string } = await import("./later.ts")
     const modules = (globalThis as { modules?: number }).modules
     console.log(JSON.stringify({ places: [place, places, later.word, import.meta.main, import.meta.dirname], modules }))`,
  )
  source("apps/shop/src/later.ts", 'export const word: string = "later"')
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

describe("a service made one file", { timeout: 120_000 }, () => {
  it("says the same, each module of its own place, from fewer files", async () => {
    const before = said()
    await makeWholeServices(making())
    const after = said()
    expect(after.places).toEqual(before.places)
    expect(after.places).toEqual([
      [join(root, "node_modules/old/lib"), join(root, "node_modules/old/lib/index.js")],
      [join(root, dirname(PLACES)), join(root, PLACES), `file://${join(root, PLACES)}`, false],
      "later",
      true,
      join(root, dirname(MAIN)),
    ])
    expect([before.modules >= 4, after.modules]).toEqual([true, 2])
  })

  it("is not started when a source, or a package, is another one now, until it is made again", async () => {
    await makeWholeServices(making())
    const changes: readonly (() => void)[] = [
      () => source("apps/shop/src/later.ts", 'export const word: string = "changed"'),
      () => rmSync(join(root, "node_modules/old/package.json")),
      () => source("node_modules/old/package.json", '{"name":"old","version":"1.0.1","main":"lib/index.js"}'),
    ]
    for (const change of changes) {
      expect(startArguments([MAIN], making())[0]).toContain("/whole-services/shop-")
      change()
      expect(startArguments([MAIN], making()).at(-1)).toBe(MAIN)
      source("node_modules/old/package.json", '{"name":"old","version":"1.0.1","main":"lib/index.js"}')
      await makeWholeServices(making())
    }
    expect(said().places).toContain("changed")
  })

  it("is made once, by whoever comes first, and what is old is forgotten after a day", async () => {
    await Promise.all([makeWholeServices(making()), makeWholeServices(making())])
    const [first] = readdirSync(folder())
    expect(readdirSync(folder())).toEqual([first])
    await makeWholeServices(making())
    expect(readdirSync(folder())).toEqual([first])
    source("apps/shop/src/later.ts", 'export const word: string = "newer"')
    await makeWholeServices(making())
    expect(readdirSync(folder())).toHaveLength(2)
    const yesterday = Date.now() / 1000 - 25 * 3600
    utimesSync(join(folder(), first ?? ""), yesterday, yesterday)
    source("apps/shop/src/later.ts", 'export const word: string = "newest"')
    await makeWholeServices(making())
    expect(readdirSync(folder())).toHaveLength(2)
    expect(readdirSync(folder())).not.toContain(first)
  })

  it("is started from its sources where it cannot be made, and leaves nothing behind", async () => {
    source(PLACES, 'export const places: unknown[] = [import.meta.resolve("old")]')
    await expect(makeWholeServices(making())).rejects.toThrow("import.meta")
    expect(startArguments([MAIN], making()).at(-1)).toBe(MAIN)
    expect(readdirSync(folder())).toEqual([])
    expect(said().places).toContain("later")
  })

  it("keeps the flags of a service, and leaves others alone", async () => {
    await makeWholeServices(making())
    expect(startArguments(["--max-semi-space-size=4", MAIN], making())[0]).toBe("--max-semi-space-size=4")
    expect(startArguments(["apps/other/src/main.ts"], making()).at(-1)).toBe("apps/other/src/main.ts")
  })
})
