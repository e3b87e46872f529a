/** A process for tests to kill: `store-writer.ts log|lmdb <folder>` writes numbers for ever and prints each when it is answered. */
import { actorId } from "@backplane/foundation-actor/actor-id"
import { storesOf } from "../stores.ts"

const [kind = "", folder = ""] = process.argv.slice(2)
if (kind !== "log" && kind !== "lmdb") throw new Error(`the kind is log or lmdb, not ${kind}`)
const store = (await storesOf(kind))(folder).open("store", actorId("replica.0"))
await store.load()
for (let number = 1; ; number++)
  await new Promise<void>((resolve, reject) =>
    store.write(`k${number % 100}`, { number, text: "x".repeat(2_000) }, (error) => {
      if (error !== null) return reject(error)
      process.stdout.write(`${number}\n`, () => resolve())
    }),
  )
