/** Arithmetic that WebAssembly has no instruction for. Unprivileged manual, "M" (division table) and "B". */

/** High 64 bits of the unsigned product, by 32-bit halves. */
export function multiplyHighUnsigned(a: u64, b: u64): u64 {
  const aLow = a & 0xffffffff
  const aHigh = a >> 32
  const bLow = b & 0xffffffff
  const bHigh = b >> 32
  const middle = aHigh * bLow + ((aLow * bLow) >> 32)
  const carried = aLow * bHigh + (middle & 0xffffffff)
  return aHigh * bHigh + (middle >> 32) + (carried >> 32)
}

/** A negative factor counts 2^64 too much as unsigned: take the other factor off the high half. */
export function multiplyHighSigned(a: i64, b: i64): i64 {
  return i64(multiplyHighUnsigned(u64(a), u64(b))) - ((a >> 63) & b) - ((b >> 63) & a)
}

export function multiplyHighSignedUnsigned(a: i64, b: i64): i64 {
  return i64(multiplyHighUnsigned(u64(a), u64(b))) - ((a >> 63) & b)
}

export function divideSigned(a: i64, b: i64): i64 {
  if (b == 0) return -1
  return b == -1 ? -a : a / b
}

export function divideUnsigned(a: i64, b: i64): i64 {
  return b == 0 ? -1 : i64(u64(a) / u64(b))
}

export function remainderSigned(a: i64, b: i64): i64 {
  if (b == 0) return a
  return b == -1 ? 0 : a % b
}

export function remainderUnsigned(a: i64, b: i64): i64 {
  return b == 0 ? a : i64(u64(a) % u64(b))
}

export function divideSignedWord(a: i32, b: i32): i32 {
  if (b == 0) return -1
  return b == -1 ? -a : a / b
}

export function divideUnsignedWord(a: i32, b: i32): i32 {
  return b == 0 ? -1 : i32(u32(a) / u32(b))
}

export function remainderSignedWord(a: i32, b: i32): i32 {
  if (b == 0) return a
  return b == -1 ? 0 : a % b
}

export function remainderUnsignedWord(a: i32, b: i32): i32 {
  return b == 0 ? a : i32(u32(a) % u32(b))
}

/** Each byte that is not 0 becomes 0xff. */
export function orCombine(a: u64): u64 {
  // The top bit of every byte that has any bit: adding 0x7f carries into it unless the low seven are 0.
  const tops = (((a & 0x7f7f7f7f7f7f7f7f) + 0x7f7f7f7f7f7f7f7f) | a) & 0x8080808080808080
  return (tops << 1) - (tops >> 7)
}

export function reverseBytes(a: u64): u64 {
  a = ((a & 0x00ff00ff00ff00ff) << 8) | ((a >> 8) & 0x00ff00ff00ff00ff)
  a = ((a & 0x0000ffff0000ffff) << 16) | ((a >> 16) & 0x0000ffff0000ffff)
  return (a << 32) | (a >> 32)
}
