/** A few operations of each type, enough to bring every rule into play. The first two are those of the exhaustive test. */
import type { Json } from "@backplane/foundation-base/json"
import type { CrdtName } from "@backplane/kv-contract/versions"

const set = (value: Json): Json => ({ op: "set", value })
const update = (name: string, type: string, operation: Json): Json => ({ op: "update", name, type, operation })

export const OPERATIONS: Readonly<Record<CrdtName, readonly Json[]>> = {
  "g-counter": [{ op: "increment" }, { op: "increment", by: 5 }],
  "pn-counter": [{ op: "increment", by: 3 }, { op: "decrement" }, { op: "increment" }],
  "lww-register": [set("a"), set("b"), set({ c: 1 })],
  "mv-register": [set("a"), set("b"), set([1, 2])],
  "or-set": [
    { op: "add", element: "x" },
    { op: "remove", element: "x" },
    { op: "add", element: "y" },
    { op: "remove", element: "y" },
    { op: "clear" },
  ],
  flag: [{ op: "enable" }, { op: "disable" }],
  "or-map": [
    update("f", "flag", { op: "enable" }),
    { op: "remove", name: "f" },
    update("f", "flag", { op: "disable" }),
    update("m", "mv-register", set("a")),
    update("m", "or-set", { op: "add", element: "x" }),
    update("m", "or-set", { op: "remove", element: "x" }),
    update("m", "mv-register", set("b")),
    { op: "remove", name: "m" },
    update("n", "counter", { op: "increment", by: 2 }),
    update("n", "counter", { op: "decrement" }),
  ],
}
