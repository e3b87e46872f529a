# Zba, Zbb, Zbs: address generation, counting, extending, rotating, single bits.
#include "check.h"
begin
    rr sh1add, 3, 100, 106
    rr sh2add, 3, 100, 112
    rr sh3add, 0x2000000000000001, 1, 9
    rr add.uw, 0xffffffff80000000, 1, 0x80000001
    rr sh1add.uw, 0xffffffff80000000, 1, 0x100000001
    rr sh2add.uw, 0xffffffffc0000000, 0, 0x300000000
    rr sh3add.uw, 0xffffffffffffffff, 8, 0x800000000
    ri slli.uw, 0xffffffff80000001, 4, 0x800000010
    ri slli.uw, 0xffffffffffffffff, 32, 0xffffffff00000000
    rr andn, 0xff, 0x0f, 0xf0
    rr orn, 0, 0x0f, -16
    rr xnor, 0xff, 0x0f, 0xffffffffffffff0f
    r1 clz, 0, 64
    r1 clz, 1, 63
    r1 clz, -1, 0
    r1 clzw, 0x100000000, 32
    r1 clzw, 0x80000000, 0
    r1 ctz, 0, 64
    r1 ctz, 0x8000000000000000, 63
    r1 ctzw, 0x100000000, 32
    r1 ctzw, 8, 3
    r1 cpop, -1, 64
    r1 cpop, 0x5555555555555555, 32
    r1 cpopw, -1, 32
    r1 cpopw, 0xf00000000, 0
    rr max, -1, 1, 1
    rr maxu, -1, 1, -1
    rr min, -1, 1, -1
    rr minu, -1, 1, 1
    r1 sext.b, 0x80, -128
    r1 sext.b, 0x17f, 0x7f
    r1 sext.h, 0x8000, -32768
    r1 zext.h, -1, 0xffff
    rr rol, 0x8000000000000001, 1, 3
    rr rol, 1, 64, 1
    rr ror, 3, 1, 0x8000000000000001
    ri rori, 0x0f, 4, 0xf000000000000000
    rr rolw, 0x80000001, 1, 3
    rr rolw, 0x40000000, 1, -0x80000000
    rr rorw, 1, 1, -0x80000000
    ri roriw, 0xffffffff00000010, 4, 1
    ri roriw, 1, 31, 2
    r1 orc.b, 0x0001000080000200, 0x00ff0000ff00ff00
    r1 orc.b, 0, 0
    r1 rev8, 0x0102030405060708, 0x0807060504030201
    rr bclr, -1, 63, 0x7fffffffffffffff
    rr bclr, -1, 64, -2
    ri bclri, 0xff, 4, 0xef
    rr bext, 0x10, 4, 1
    rr bext, 0x10, 5, 0
    ri bexti, 0x8000000000000000, 63, 1
    rr binv, 0x10, 4, 0
    rr binv, 0, 63, 0x8000000000000000
    ri binvi, 0, 40, 0x10000000000
    rr bset, 0, 127, 0x8000000000000000
    ri bseti, 1, 33, 0x200000001
    passes "bitmanip: ok"
