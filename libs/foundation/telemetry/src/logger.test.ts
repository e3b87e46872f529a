import { describe, expect, it } from "vitest"
import { Log } from "./logger.ts"

const IDENTITY = { service: "numa-node", instance: "node.0" }

function lineOf(fields: Readonly<Record<string, string | number>>): string {
  const lines: string[] = []
  const log = new Log({ ...IDENTITY, environment: {}, stream: { write: (text: string) => void lines.push(text) } })
  log.write({ level: "info", name: "service.started", fields, trace: undefined })
  return lines.join("")
}

describe("a line of the log", () => {
  it("names service and instance once, also where the event names them", () => {
    const line = lineOf({ ...IDENTITY, pid: 7 })
    expect(JSON.parse(line)).toMatchObject({ ...IDENTITY, pid: 7, event: "service.started", level: "info" })
    expect(line.split('"service":')).toHaveLength(2)
    expect(line.split('"instance":')).toHaveLength(2)
  })

  it("keeps an instance that an event tells of another", () => {
    expect(JSON.parse(lineOf({ instance: "node.1" }))).toMatchObject({ service: "numa-node", instance: "node.1" })
  })
})
