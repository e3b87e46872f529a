/** Words between the nodes of one VM: each is handed on once and in order, whatever the bus does with it. */
import { Random } from "@backplane/foundation-base/random"
import { LINK_WAITING_MAX, type LinkBody, type VmLink, type VmLinkSeen } from "@backplane/trap-contract/vm-span-messages"
import { describe, expect, it } from "vitest"
import { VmLinks } from "./vm-links.ts"

const fenced = (sequence: number): LinkBody => ({ of: "fenced", sequence })

/** Two ends and what is on its way between them. */
function pair() {
  const way: { readonly to: number; readonly body: VmLink | VmLinkSeen }[] = []
  const heard: number[] = []
  const full: number[] = []
  const ends = [0, 1].map(
    (node) =>
      new VmLinks({
        ...{ vm: "wide", life: 1, node, onFull: (to) => void full.push(to) },
        say: (to, body) => void way.push({ to, body }),
        onBody: (_from, body) => {
          if (node === 1 && body.of === "fenced") heard.push(body.sequence)
        },
      }),
  )
  return { way, heard, full, ends }
}

describe("links between the nodes of a VM", () => {
  it("hand every word on, once and in order, over a bus that loses, doubles and reorders", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = new Random(seed)
      const { way, heard, ends } = pair()
      const said = Array.from({ length: 60 }, (_, index) => index + 1)
      for (const sequence of said) ends[0]?.send(1, fenced(sequence))
      for (let steps = 0; steps < 5_000 && (ends[0]?.unseen ?? 0) > 0; steps++) {
        if (way.length === 0) ends.forEach((end) => end.repeat())
        const [picked] = way.splice(random.below(way.length), 1)
        if (picked === undefined || random.below(4) === 0) continue
        ends[picked.to]?.hear(picked.body)
        if (random.below(4) === 0) way.push(picked)
      }
      expect([seed, heard, ends[0]?.unseen]).toEqual([seed, said, 0])
    }
  })

  it("keep so many words at most for a node that sees none", () => {
    const { way, full, ends } = pair()
    for (let sequence = 1; sequence <= LINK_WAITING_MAX; sequence++) ends[0]?.send(1, fenced(sequence))
    expect([full, way.length]).toEqual([[], LINK_WAITING_MAX])
    ends[0]?.send(1, fenced(LINK_WAITING_MAX + 1))
    expect([full, way.length, ends[0]?.unseen]).toEqual([[1], LINK_WAITING_MAX, LINK_WAITING_MAX])
  })
})
