/** What every route that asks the bus has in common: there may be no bus, and there may be no answer. */
import { NoAnswer, NoMachine, type OperatorAnswer } from "./operator.ts"
import { Problem } from "./problem.ts"

export function hand<Part>(part: () => Part | null): Part {
  const found = part()
  if (found !== null) return found
  throw new Problem({
    status: 503,
    title: "Not ready",
    detail: "the gateway is not on the bus",
    remedy: "start the stack with `npm start`",
  })
}

/** A silence becomes a document that says who is silent. */
export async function answered(answer: Promise<OperatorAnswer>): Promise<OperatorAnswer> {
  try {
    return await answer
  } catch (error) {
    if (error instanceof NoMachine) throw noMachine(error)
    if (!(error instanceof NoAnswer)) throw error
    throw new Problem({ status: 504, title: "No answer", detail: error.message, remedy: "`npx backplane status` shows what runs" })
  }
}

function noMachine({ message, names }: NoMachine): Problem {
  const remedy = names.length === 0 ? "none is running: start one with a scenario" : `there is ${names.join(", ")}`
  return new Problem({ status: 404, title: "Not found", detail: message, field: "machine", remedy })
}
