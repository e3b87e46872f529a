/** Moving the data or moving the computation: both ways of using a structure that lies on another node. */
import { dataOrComputation as figure } from "@backplane/figures/numa-figures"
import { figureLesson } from "../figure-lesson.ts"

export const dataOrComputation = figureLesson({
  name: "data-or-computation",
  title: "Fetch it, or ask for it?",
  chapter: "OSTEP 10 and 48; the machine's own question",
  minutes: 5,
  bench: "numa",
  text: [
    "Two nodes use one structure. Either its lines come to who uses them (the caches do that by themselves), or a question goes to the node where it lies, is carried out there, and the answer comes back.",
    "A line that has come stays until somebody else wants it. A question is paid for each time.",
  ],
  question: "Each node uses the structure 64 times in a row before the other does. Which is faster?",
  choices: ["fetching: it pays once for 64 uses", "asking: less is moved"],
  figure: () => figure("short"),
  conclude: (value) => ({
    answer: value("data_64") < value("computation_64") ? 0 : 1,
    explanation: [
      "With single uses that alternate, all lines of the structure move for each of them, and asking wins. In rows, moving pays once and is paid back. In between the two cross.",
    ],
    claims: [
      {
        text: "for single uses asking wins",
        measured: `${value("computation_1")} against ${value("data_1")} cycles`,
        holds: value("computation_1") < value("data_1"),
      },
      {
        text: "for rows of 64 fetching wins",
        measured: `${value("data_64")} against ${value("computation_64")} cycles`,
        holds: value("data_64") < value("computation_64"),
      },
    ],
  }),
})
