import { describe, expect, it } from "vitest"
import { policyText } from "./policy-text.ts"

const PROGRAM = "python3 rr.py"

describe("who schedules, in words,", () => {
  it("is a policy, or each with its CPUs, once", () => {
    expect(policyText({ policy: "sqms", seats: [{ seat: "" }] }, "mqms", null)).toBe("sqms")
    const two = { policy: "mqms-warm on 0,1; rr on 2,3", seats: [{ seat: "" }, { seat: "set1" }] }
    expect(policyText(two, "mqms", null)).toBe("mqms-warm on 0,1; rr on 2,3")
    expect(policyText({}, "mqms", null)).toBe("mqms")
  })

  it("is nobody where nodes schedule by themselves, and says why", () => {
    expect(policyText({ policy: "sqms", fallback: true }, "mqms", null)).toContain("sqms was ejected")
    expect(policyText({ policy: "sqms", fallback: true, fallbackAsked: true }, "mqms", PROGRAM)).toMatch(/^none: .*as was asked for/)
  })

  it("is the program that replaces ours, but not where a service has attached", () => {
    expect(policyText({ policy: "mqms", seats: [{ seat: "" }] }, "mqms", PROGRAM)).toBe(
      "mqms by name, played by `python3 rr.py` (--replace)",
    )
    expect(policyText({}, "mqms", PROGRAM)).toContain("python3 rr.py")
    expect(policyText({ policy: "mine", seats: [{ seat: "x1" }] }, "mqms", PROGRAM)).toBe("mine")
  })
})
