import { expect, it } from "vitest"
import { canonicalJson, type Json } from "./json.ts"

it("is JSON with the keys of every object in code-unit order, however they were written", () => {
  const value: Json = { b: [1, "x\n", null, [], {}, [[2]]], 'a"': { Z: true, z: -0.5, a: "" }, "": 0, "10": 1, "9": 2 }
  expect(canonicalJson(value)).toBe('{"":0,"10":1,"9":2,"a\\"":{"Z":true,"a":"","z":-0.5},"b":[1,"x\\n",null,[],{},[[2]]]}')
  expect(JSON.parse(canonicalJson(value))).toEqual(value)
  expect(canonicalJson({ b: 1, a: 2, c: 3 })).toBe(canonicalJson({ a: 2, c: 3, b: 1 }))
})

it("takes a field that is undefined for null", () => {
  expect(canonicalJson({ a: undefined as unknown as Json })).toBe('{"a":null}')
})
