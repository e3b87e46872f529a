import { describe, expect, it } from "vitest"
import { compose, told, type Ran } from "./docker.ts"

/** A computer where these commands answer so; any other does not exist. */
function computer(answers: Readonly<Record<string, Ran>>): { readonly ran: string[]; readonly run: (command: readonly string[]) => Ran } {
  const ran: string[] = []
  return {
    ran,
    run: (command) => {
      const text = command.join(" ")
      ran.push(text)
      return answers[text] ?? { code: null, output: "" }
    },
  }
}

const OK: Ran = { code: 0, output: "" }

describe("grafana:up and grafana:down", () => {
  it.each([
    ["there is no docker command", {}, "there is no docker command"],
    [
      "no engine answers",
      { "docker info": { code: 1, output: "Client: 28\nCannot connect to the Docker daemon" } },
      "no docker engine answers: Cannot connect to the Docker daemon",
    ],
    ["docker has no compose", { "docker info": OK, "docker compose version": { code: 1, output: "" } }, "docker has no compose"],
    [
      "the start fails",
      { "docker info": OK, "docker compose version": OK, "docker compose -f c.yaml up -d": { code: 17, output: "" } },
      "docker compose up -d failed",
    ],
  ])("say so, with a remedy, and leave with an error where %s", (_what, answers, reason) => {
    const outcome = compose(computer(answers).run, "c.yaml", ["up", "-d"])
    expect(outcome).toMatchObject({ ok: false, reason, remedy: expect.stringMatching(/\w/) })
    expect(told(outcome)).toMatchObject({ code: 1, text: expect.stringContaining(reason) })
  })

  it("use the plugin, or the older command where there is none", () => {
    const plugin = computer({ "docker info": OK, "docker compose version": OK, "docker compose -f c.yaml up -d": OK })
    expect(compose(plugin.run, "c.yaml", ["up", "-d"])).toEqual({ ok: true })
    const older = computer({ "docker info": OK, "docker-compose version": OK, "docker-compose -f c.yaml down": OK })
    expect(told(compose(older.run, "c.yaml", ["down"]))).toEqual({ text: "", code: 0 })
    expect(older.ran.at(-1)).toBe("docker-compose -f c.yaml down")
  })
})
