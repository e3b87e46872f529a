# RV64M: products in all sign combinations, division by zero, overflow of division.
#include "check.h"
begin
    rr mul, 0x100000001, 0x100000001, 0x200000001
    rr mul, -3, 7, -21
    rr mulh, -1, -1, 0
    rr mulh, 0x8000000000000000, 0x8000000000000000, 0x4000000000000000
    rr mulh, 0x8000000000000000, -1, 0
    rr mulh, 0x7fffffffffffffff, -2, -1
    rr mulhu, -1, -1, -2
    rr mulhu, 0x8000000000000000, 2, 1
    rr mulhu, 0x123456789abcdef0, 0xfedcba9876543210, 0x121fa00ad77d7422
    # mulhsu: left signed, right unsigned.
    rr mulhsu, -1, -1, -1
    rr mulhsu, -1, 1, -1
    rr mulhsu, 1, -1, 0
    rr mulhsu, 0x8000000000000000, -1, 0x8000000000000000
    rr mulhsu, 0x7fffffffffffffff, -1, 0x7ffffffffffffffe
    rr mulw, 0x10000, 0x8000, -0x80000000
    rr mulw, 0x100000003, 5, 15
    rr div, -7, 2, -3
    rr div, 7, -2, -3
    rr div, 5, 0, -1
    rr div, 0x8000000000000000, -1, 0x8000000000000000
    rr divu, -1, 2, 0x7fffffffffffffff
    rr divu, 5, 0, -1
    rr rem, -7, 2, -1
    rr rem, 7, -2, 1
    rr rem, 5, 0, 5
    rr rem, 0x8000000000000000, -1, 0
    rr remu, -1, 10, 5
    rr remu, 5, 0, 5
    rr divw, -0x80000000, -1, -0x80000000
    rr divw, -7, 2, -3
    rr divw, 7, 0, -1
    rr divw, 0x100000008, 2, 4
    rr divuw, 0xffffffff80000000, 1, -0x80000000
    rr divuw, 0xfffffffe, 2, 0x7fffffff
    rr divuw, 7, 0, -1
    rr remw, -0x80000000, -1, 0
    rr remw, -7, 2, -1
    rr remw, 0x80000005, 0, 0xffffffff80000005
    rr remuw, 0xffffffff80000000, 3, 2
    rr remuw, 0x80000005, 0, 0xffffffff80000005
    # rd may be either source.
    next
    li a2, 6
    li a1, 7
    mul a2, a2, a1
    want 42
    next
    li a2, 7
    li a1, 43
    rem a2, a1, a2
    want 1
    passes "muldiv: ok"
