/**
 * What each role does with each message of its own term: the whole protocol at a glance.
 *
 * Before the table: a message of a newer term makes its receiver a follower of that term (pre-votes apart, which promise nothing); one of an
 * older term is answered with the newer term and otherwise ignored.
 */
import type { ConsensusMessage } from "@backplane/kv-contract/consensus-items"

export type Role = "learner" | "follower" | "pre-candidate" | "candidate" | "leader"
export type Step = ConsensusMessage["step"]
/**
 * A learner takes part only in elections that need everyone (C6).
 *
 * - `promise`: say whether a vote would be given (nothing is written).
 * - `vote`: give the one vote of the term, or not.
 * - `count-promise`, `count-vote`: a majority makes the next role. Votes for who asks for promises again by now still do.
 * - `accept`: this is the leader of the term: take its entries.
 * - `progress`: a follower has them.
 * - `ignore`: of no use any more.
 * - `impossible`: two leaders of one term: the reasoning is wrong.
 */
export type Move = "promise" | "vote" | "count-promise" | "count-vote" | "accept" | "progress" | "ignore" | "impossible"

export const MOVES: Readonly<Record<Role, Readonly<Record<Step, Move>>>> = {
  learner: {
    "pre-vote": "promise",
    "pre-vote-answer": "count-promise",
    vote: "vote",
    "vote-answer": "ignore",
    append: "accept",
    "append-answer": "ignore",
  },
  follower: {
    "pre-vote": "promise",
    "pre-vote-answer": "ignore",
    vote: "vote",
    "vote-answer": "ignore",
    append: "accept",
    "append-answer": "ignore",
  },
  "pre-candidate": {
    "pre-vote": "promise",
    "pre-vote-answer": "count-promise",
    vote: "vote",
    "vote-answer": "count-vote",
    append: "accept",
    "append-answer": "ignore",
  },
  candidate: {
    "pre-vote": "promise",
    "pre-vote-answer": "ignore",
    vote: "vote",
    "vote-answer": "count-vote",
    append: "accept",
    "append-answer": "ignore",
  },
  leader: {
    "pre-vote": "promise",
    "pre-vote-answer": "ignore",
    vote: "vote",
    "vote-answer": "ignore",
    append: "impossible",
    "append-answer": "progress",
  },
}
