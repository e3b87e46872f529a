/** Eventual consistency and its repairs: replicas that cannot reach each other go apart, and come together again by themselves. */
import type { Json } from "@backplane/foundation-base/json"
import type { Lesson } from "../lesson.ts"

const SEED = 5
const TROUBLE_SECONDS = 12

interface Report {
  readonly requests: number
  readonly looks: readonly { readonly second: number; readonly network: "breaking" | "whole"; readonly partitionsApart: number }[]
  readonly togetherAfterSeconds: number | null
  readonly violation: string | null
}

export const apartAndTogether: Lesson = {
  name: "apart-and-together",
  title: "Replicas cannot reach each other, and clients go on writing. What then?",
  chapter: "Dynamo 4.4 to 4.7; OSTEP 48 to 50",
  minutes: 6,
  text: [
    `Four clients read and write a store of replicated shards for ${TROUBLE_SECONDS} simulated seconds, while the network between the shards breaks now here, now there, and mends.`,
    "A write is done when two of three holders have it on disk; the third may be out of reach. Then all links are mended, and the clients stop. Nobody is told to repair anything.",
  ],
  question: "After the network is whole again, what becomes of the replicas that missed writes?",
  choices: [
    "they stay behind until somebody reads or writes those keys",
    "they become equal by themselves, within seconds",
    "they have to be copied anew",
  ],
  async run(commands) {
    const command = ["check", "replicas", "--seed", String(SEED), "--seconds", String(TROUBLE_SECONDS)]
    const { looks, togetherAfterSeconds, violation, requests } = report(await commands.json(command))
    const during = looks.filter(({ network }) => network === "breaking").map((look) => look.partitionsApart)
    return {
      answer: togetherAfterSeconds === null ? 0 : 1,
      table: {
        head: ["time", "links", "partitions whose holders differ"],
        rows: looks.map(({ second, network, partitionsApart }) => [`${second} s`, network, String(partitionsApart)]),
      },
      explanation: [
        "Three repairs work at it. A write that could not reach a holder is kept as a hint and handed over when the holder is back. A read that finds holders apart writes the join back. And in the background pairs of holders compare trees of hashes and exchange what differs: that one needs no reader, and finds everything.",
        `${requests} requests were recorded. The history of them is held against what all replicas ended with.`,
      ],
      claims: [
        { text: "while links broke replicas were apart", measured: during.join(" "), holds: during.some((each) => each > 0) },
        {
          text: "afterwards all became equal by themselves",
          measured: togetherAfterSeconds === null ? "they did not" : `${togetherAfterSeconds.toFixed(0)} s`,
          holds: togetherAfterSeconds !== null,
        },
        { text: "no acknowledged write is missing", measured: violation ?? "the history agrees", holds: violation === null },
      ],
      picture: null,
      trace: "npx backplane trace last reconciliation",
    }
  },
}

/** The cast is the codec: the command's own test holds the shape. */
function report(output: Json): Report {
  return output as unknown as Report
}
