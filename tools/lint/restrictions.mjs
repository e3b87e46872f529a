/**
 * What code may not say, as data for `no-restricted-*`: everywhere, in pure packages, and in tests.
 *
 * Pure packages (base, actor, contract, model, machine) are functions of their inputs: the same inputs give the same bytes in the
 * simulator, in lock-step and on another computer. Each restriction names the way out.
 */
import { builtinModules } from "node:module"

const CLOCK = "time comes in as an argument; see foundation/actor/virtual-time"
const CHANCE = "chance comes in as a seeded Random; see foundation/base/random"
const EFFECT = "a machine does no I/O: return an effect"

const PURE_GLOBALS = {
  Date: CLOCK,
  performance: CLOCK,
  setTimeout: "ask for a timer effect",
  setInterval: "ask for a timer effect",
  setImmediate: "ask for a timer effect",
  clearTimeout: "cancel the timer by an effect",
  clearInterval: "cancel the timer by an effect",
  queueMicrotask: EFFECT,
  process: EFFECT,
  console: "log events, not sentences: return a trace effect",
  crypto: CHANCE,
  fetch: EFFECT,
  WebSocket: EFFECT,
  Worker: EFFECT,
  require: EFFECT,
  globalThis: "name what you need; nothing global is pure",
  Buffer: "use Uint8Array",
  Promise: "step() is synchronous; a later answer is a message",
  Intl: "depends on the host's locale",
  WeakRef: "depends on the garbage collector",
  FinalizationRegistry: "depends on the garbage collector",
}

const ASYNC = "step() is synchronous; a later answer is a message"

const pureSyntax = [
  { selector: ":function[async=true]", message: ASYNC },
  { selector: "AwaitExpression", message: ASYNC },
  { selector: "ForOfStatement[await=true]", message: ASYNC },
  { selector: "ImportExpression", message: ASYNC },
  { selector: "ForInStatement", message: "iterate over an ordered list of keys, not over an object" },
  {
    selector: "CallExpression[callee.property.name=/^(sort|toSorted)$/][arguments.length=0]",
    message: "give sort a comparison that is a total order",
  },
  {
    selector: "CallExpression[callee.property.name=/^(localeCompare|toLocale\\w+)$/]",
    message: "depends on the host's locale: compareText",
  },
]

/** Everywhere but in tests. */
export const sourceSyntax = [
  { selector: "ExportNamedDeclaration > VariableDeclaration[kind='let']", message: "no exported mutable: export a function or a class" },
  { selector: "ExportAllDeclaration", message: "no barrels: import from the file that owns the name" },
  { selector: "TSEnumDeclaration", message: "Node.js strips types and cannot run an enum: use a union of literals" },
  {
    selector: ":matches(ClassDeclaration, ClassExpression)[superClass.type='Identifier'][superClass.name!=/(Error|Element|Processor)$/]",
    message: "no inheritance of behaviour: hold the other object as a field",
  },
]

export const testSyntax = [
  {
    selector: "MemberExpression[object.name=/^(it|test|describe|suite|bench)$/][property.name=/^(only|skip|todo|fails)$/]",
    message: "a test runs or it is deleted; for a missing outside program use skipIf(condition) with the reason in the name",
  },
  { selector: "CallExpression[callee.name=/^(fit|fdescribe|xit|xtest|xdescribe)$/]", message: "a test runs or it is deleted" },
]

const bareBuiltins = builtinModules.filter((name) => !name.startsWith("_") && !name.startsWith("node:"))

/** For the sources of pure packages, tests apart. */
export const pureRules = {
  "no-restricted-globals": ["error", ...Object.entries(PURE_GLOBALS).map(([name, message]) => ({ name, message }))],
  "no-restricted-properties": ["error", { object: "Math", property: "random", message: CHANCE }],
  "no-restricted-imports": [
    "error",
    {
      paths: bareBuiltins.map((name) => ({ name, message: EFFECT })),
      patterns: [
        { group: ["node:*", ...bareBuiltins.map((name) => `${name}/*`)], message: EFFECT },
        { group: ["@nats-io/*", "@opentelemetry/*", "pino", "lmdb", "ws", "hono"], message: "I/O lives in runtime, telemetry and apps" },
      ],
    },
  ],
  "no-restricted-syntax": ["error", ...sourceSyntax, ...pureSyntax],
}
