import { describe, expect, it } from "vitest"
import { Conversation } from "./conversation.ts"

function conversation(...steps: readonly (readonly ["expect" | "type", string])[]) {
  const typed: string[] = []
  const talk = new Conversation(
    steps.map(([kind, text]) => ({ kind, text })),
    (text) => typed.push(text),
  )
  return { talk, typed }
}

describe("a conversation with a guest", () => {
  it("types only after what it waits for, which may come in pieces", () => {
    const { talk, typed } = conversation(["expect", "$ "], ["type", "ls"], ["expect", "done"])
    talk.hear("booting\n$")
    expect([typed, talk.waitsFor()]).toEqual([[], "$ "])
    talk.hear(" ")
    expect([typed, talk.done()]).toEqual([["ls\n"], false])
    talk.hear("do")
    talk.hear("ne")
    expect(talk.done()).toBe(true)
  })

  it("does not find the same words twice", () => {
    const { talk } = conversation(["expect", "$ "], ["expect", "$ "])
    talk.hear("$ ")
    expect(talk.done()).toBe(false)
    talk.hear("ls\n$ ")
    expect(talk.done()).toBe(true)
  })

  it("without steps is never done: the guest ends the run", () => {
    expect(conversation().talk.done()).toBe(false)
  })
})
