/** A command line is understood or refused with one clear line. */
import { describe, expect, it } from "vitest"
import { parseInvocation, UsageError } from "./options.ts"

describe("a lawful command line", () => {
  it("has every option of up", () => {
    const { up } = parseInvocation([
      "up",
      "--detach=true",
      "--colocate",
      "--scenario",
      "a.json",
      "--replace=cpu-scheduler='python3 s.py --x=1'",
      "--count",
      "numa-node=4",
    ])
    expect(up).toMatchObject({ detach: true, colocate: true, grafana: false, scenario: "a.json" })
    expect(up.replacements).toEqual([{ service: "cpu-scheduler", command: "python3 s.py --x=1" }])
    expect([...up.counts]).toEqual([["numa-node", 4]])
  })
  it("takes off the quotes that nx leaves around a whole value", () => {
    expect(parseInvocation(["up", '--replace="cpu-scheduler=python3 s.py"']).up.replacements).toEqual([
      { service: "cpu-scheduler", command: "python3 s.py" },
    ])
  })
  it("puts the words of a command together that nx has parted, up to the next option", () => {
    const { up } = parseInvocation(["up", "--replace", "cpu-scheduler=python3", "-u", "s.py", "--detach", "--replace", "gateway=true"])
    expect(up.detach).toBe(true)
    expect(up.replacements).toEqual([
      { service: "cpu-scheduler", command: "python3 -u s.py" },
      { service: "gateway", command: "true" },
    ])
  })
  it("follows the log of one service", () => {
    expect(parseInvocation(["logs", "gateway", "-f"])).toMatchObject({ command: "logs", target: "gateway", follow: true })
  })
})

describe("a wrong command line is refused with the remedy", () => {
  it.each([
    [["go"], "unknown command"],
    [["up", "--detatch"], "it has --detach"],
    [["up", "--detach=maybe"], "takes no value"],
    [["up", "--scenario"], "needs a value"],
    [["up", "--replace", "cpu-scheduler"], "SERVICE=VALUE"],
    [["up", "--count", "numa-node=0"], "from 1 to 64"],
    [["up", "--nats-port", "70000"], "from 1 to 65535"],
    [["up", "--scenario=a", "--scenario=b"], "give it once"],
    [["up", "now"], 'does not take "now"'],
    [["kill"], "kill needs the instance"],
  ])("%j", (args, remedy) => {
    expect(() => parseInvocation(args)).toThrow(UsageError)
    expect(() => parseInvocation(args)).toThrow(remedy)
  })
})
