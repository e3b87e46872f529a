/** Replicas go apart while links break, and come together by themselves; the same seed tells the same. */
import { expect, it } from "vitest"
import { goApart } from "./apart.ts"

it("replicas that were apart are equal soon after the links are whole, and nothing is lost", () => {
  const report = goApart(5, 8)
  expect(Math.max(...report.looks.filter(({ network }) => network === "breaking").map((look) => look.partitionsApart))).toBeGreaterThan(0)
  expect(report.looks.at(-1)).toMatchObject({ network: "whole", partitionsApart: 0 })
  expect(report.violation).toBeNull()
  expect(goApart(5, 8)).toEqual(report)
})
