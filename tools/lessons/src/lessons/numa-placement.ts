/** NUMA placement: where a page lies decides what it costs. */
import { placement } from "@backplane/figures/numa-figures"
import { figureLesson, times } from "../figure-lesson.ts"

export const numaPlacement = figureLesson({
  name: "numa-placement",
  title: "Where should a page lie?",
  chapter: "Disco 4.2 and 5; the NUMA literature",
  minutes: 6,
  bench: "numa",
  text: [
    "Four nodes, each with CPUs and memory. Each task works on an array of its own. Its pages may lie on the node that touches them first, be dealt around all nodes, or all lie on one.",
    "Remote memory takes longer, and a memory that all ask at once makes them queue.",
  ],
  question: "Which is slowest?",
  choices: [
    "dealt around: three of four accesses are remote",
    "all on one node: remote for most, and a queue before it",
    "first touch: who touches a page first may never use it again",
  ],
  figure: () => placement("short"),
  conclude: (value) => {
    const [first, dealt, one] = [value("first_touch_cycles"), value("interleave_cycles"), value("node_0_cycles")]
    const filled = value("one_filled_cycles")
    return {
      answer: one > dealt && one > first ? 1 : dealt > first ? 0 : 2,
      explanation: [
        "First touch is right when who touches first is who uses it. When one CPU fills what all use, it puts everything on one node: then dealing pages around is the better of two evils, as no memory has a queue.",
      ],
      claims: [
        {
          text: "by first touch nearly all is local",
          measured: `${(100 * value("first_touch_local")).toFixed(0)} %`,
          holds: value("first_touch_local") > 0.95,
        },
        { text: "dealt around a quarter is, and it takes longer", measured: times(dealt / first), holds: dealt > 1.2 * first },
        {
          text: "all on one node takes longest, by a rule or because one CPU touched all of it first",
          measured: `${times(one / first)}, ${times(filled / first)}`,
          holds: Math.min(one, filled) > Math.max(first, dealt),
        },
      ],
    }
  },
})
