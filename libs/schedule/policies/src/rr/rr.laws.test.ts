import { expect, it } from "vitest"
import { shareAmongHogs } from "../suite/shares.ts"
import { rr } from "./rr.ts"

it("each task in turn for a slice, whatever its weight", () => {
  const { result, ran } = shareAmongHogs(rr, [1, 100, 10_000], { ticks: 300, sliceTicks: 10 })
  expect(result.decisions.slice(0, 4)).toEqual(["0 cpu 0 t0 10", "10 cpu 0 t1 10", "20 cpu 0 t2 10", "30 cpu 0 t0 10"])
  expect(ran).toEqual([100, 100, 100])
})
