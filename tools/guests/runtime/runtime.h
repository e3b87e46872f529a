/* What guests in C call. */
#ifndef RUNTIME_H
#define RUNTIME_H
#include <stdint.h>
#include "board.h"
void put_byte(int byte);
void put_text(const char *text);
void put_hex(uint64_t value);
void put_decimal(uint64_t value);
void finish(uint64_t code) __attribute__((noreturn));
#define read_csr(name) ({ uint64_t value; __asm__ volatile("csrr %0, " #name : "=r"(value)); value; })
#define write_csr(name, value) __asm__ volatile("csrw " #name ", %0" ::"r"((uint64_t)(value)) : "memory")
#define set_csr(name, value) __asm__ volatile("csrs " #name ", %0" ::"r"((uint64_t)(value)) : "memory")
#define clear_csr(name, value) __asm__ volatile("csrc " #name ", %0" ::"r"((uint64_t)(value)) : "memory")
#endif
