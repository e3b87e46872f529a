/** A message that no correct run shows: from outside, or of a protocol gone wrong. Thrown before anything is changed by it. */
export class ImpossibleMessage extends Error {
  override readonly name = "ImpossibleMessage"
}
