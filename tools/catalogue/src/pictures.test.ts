/** The pictures of the README are what their commands draw, and the services picture shows the services that there are. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { SERVICE_RULES } from "@backplane/nats/permissions"
import { describe, expect, it } from "vitest"
import { ROOT } from "./catalogue-files.ts"
import { COMMANDS, pictureBy, PICTURES_FOLDER } from "./pictures.ts"
import { DECIDERS, HOLDERS, servicesSvg } from "./services-svg.ts"

/** Services that have permissions and are not built yet: the README says so. */
const NOT_BUILT: readonly string[] = []
/** What users bring themselves is no service of ours. */
const USERS_OWN: readonly string[] = ["handler"]
const DEADLINE_MS = 60_000

const committed = (name: string): string => readFileSync(join(PICTURES_FOLDER, name), "utf8")

describe("the pictures of the README", () => {
  it("are all made by something here, and shown", () => {
    const readme = readFileSync(join(ROOT, "README.md"), "utf8")
    const names = readdirSync(PICTURES_FOLDER).sort()
    expect(names).toEqual([...Object.keys(COMMANDS), "services.svg"].sort())
    for (const name of names) expect(readme).toContain(`tools/catalogue/pictures/${name}`)
    for (const command of Object.values(COMMANDS)) expect(readme).toContain(`npx backplane ${command}`)
  })

  it("services.svg is what its source draws; else run `npx nx run catalogue:pictures`", () => {
    expect(committed("services.svg")).toBe(servicesSvg())
  })

  it("services.svg shows every service with the actors that it hosts", () => {
    const shown = [...DECIDERS, ...HOLDERS].map(({ service, hosts }) => [service, hosts])
    const rules = SERVICE_RULES.filter(({ user }) => ![...NOT_BUILT, ...USERS_OWN].includes(user)).map(({ user, hosts }) => [user, hosts])
    expect(shown.sort()).toEqual(rules.sort())
  })

  it.each(Object.entries(COMMANDS))(
    "%s is what `backplane %s` draws",
    (name, command) => {
      expect(committed(name)).toBe(pictureBy(command))
    },
    DEADLINE_MS,
  )
})
