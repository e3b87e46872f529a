/** Nominal types for quantities that must not be mixed (style guide, rule 4). */
declare const brand: unique symbol

/** A `Base` that only a named function makes: `type Tick = Brand<number, "Tick">`. */
export type Brand<Base, Name extends string> = Base & { readonly [brand]: Name }
