/* What machine is this? Firmware hands over a flattened device tree: a list of words, in the other byte order, in which nodes begin and end
 * and hold properties. Only what the kernel uses is taken out; nothing in the kernel is a constant of one board.
 * Devicetree Specification 0.4, chapter 5. */
#include "kernel.h"

#define BEGIN_NODE 1
#define END_NODE 2
#define PROPERTY 3
#define END 9

struct machine machine;

static uint32 word(const void *at) { return __builtin_bswap32(*(const uint32 *)at); }
static uint64 wide(const uint32 *at) { return (uint64)word(at) << 32 | word(at + 1); }

/* What is known of the node under way. Its properties come before its children. */
static struct {
  const char *name, *compatible, *isa;
  const uint32 *reg;
  uint32 interrupt, bytes;
} node;

static int starts(const char *text, const char *with) {
  while (*with != 0)
    if (*text++ != *with++) return 0;
  return 1;
}

static int contains(const char *text, const char *what) {
  for (; *text != 0; text++)
    if (starts(text, what)) return 1;
  return 0;
}

static void node_ends(void) {
  if (node.name == 0 || node.reg == 0) return;
  if (starts(node.name, "memory@")) {
    machine.memory_start = wide(node.reg);
    machine.memory_end = machine.memory_start + wide(node.reg + 2);
  } else if (starts(node.name, "cpu@") && machine.harts < HARTS_MAX) {
    machine.hart_id[machine.harts++] = node.bytes == 8 ? wide(node.reg) : word(node.reg);
    machine.has_stimecmp = node.isa != 0 && contains(node.isa, "sstc");
  } else if (node.compatible == 0) {
    return;
  } else if (starts(node.compatible, "ns16550")) {
    machine.uart = wide(node.reg);
    machine.uart_interrupt = node.interrupt;
  } else if (contains(node.compatible, "plic")) {
    machine.plic = wide(node.reg);
  } else if (starts(node.compatible, "virtio,mmio") && machine.virtio_slots < DISKS_MAX) {
    machine.virtio_interrupt[machine.virtio_slots] = node.interrupt;
    machine.virtio[machine.virtio_slots++] = wide(node.reg);
  }
}

static void property(const char *name, const uint32 *value, uint32 bytes) {
  if (text_equal(name, "reg")) node.reg = value, node.bytes = bytes;
  else if (text_equal(name, "compatible")) node.compatible = (const char *)value;
  else if (text_equal(name, "riscv,isa")) node.isa = (const char *)value;
  else if (text_equal(name, "interrupts")) node.interrupt = word(value);
  else if (text_equal(name, "timebase-frequency")) machine.ticks_per_second = word(value);
  else if (text_equal(name, "bootargs"))
    for (uint32 n = 0; n < bytes && n < sizeof machine.arguments - 1; n++) machine.arguments[n] = ((const char *)value)[n];
}

static void node_begins(const char *name) {
  node_ends();
  node.name = name;
  node.compatible = node.isa = 0;
  node.reg = 0;
  node.interrupt = 0;
}

void read_device_tree(const void *tree) {
  const char *names = (const char *)tree + word((const uint32 *)tree + 3);
  const uint32 *at = (const uint32 *)((const char *)tree + word((const uint32 *)tree + 2));
  for (;;) {
    uint32 token = word(at++);
    if (token == END) return;
    if (token == BEGIN_NODE) {
      const char *name = (const char *)at;
      node_begins(name);
      while (*name != 0) name++;
      at = (const uint32 *)(((uint64)name + 4) & ~3ull);
    } else if (token == END_NODE) {
      node_begins(0);
    } else if (token == PROPERTY) {
      uint32 bytes = word(at);
      property(names + word(at + 1), at + 2, bytes);
      at += 2 + (bytes + 3) / 4;
    }
  }
}

/* Arguments are separated by blanks; `run=` and `start=` take the rest of the line, blanks included, so one of them comes last. */
const char *boot_argument(const char *name) {
  for (const char *at = machine.arguments; *at != 0;) {
    const char *given = name;
    while (*given != 0 && *at == *given) at++, given++;
    if (*given == 0 && (*at == '=' || *at == ' ' || *at == 0)) return *at == '=' ? at + 1 : at;
    if (starts(at, "run=") || starts(at, "start=")) return 0;
    while (*at != 0 && *at != ' ') at++;
    while (*at == ' ') at++;
  }
  return 0;
}
