/* Chapter 11: the disk. A virtio device has no registers for data: driver and device share three arrays in memory. The driver describes
 * buffers (descriptors), lists what it offers (available) and rings a bell; the device lists what it is done with (used) and interrupts.
 * Both lists only grow, by counters of 16 bits. Virtio 1.2, sections 2.7, 4.2 and 5.2.
 *
 * One sector at a time goes over a buffer of the kernel's own: simple, and a process may be killed while the device still writes. */
#include "kernel.h"

#define QUEUE_SIZE 4
#define DEVICE_BLOCK 2
#define MAGIC 0x74726976
#define NEXT 1
#define DEVICE_WRITES 2
enum { R_MAGIC = 0, R_VERSION = 4, R_DEVICE = 8, R_FEATURES_SELECT = 0x24, R_FEATURES = 0x20, R_QUEUE = 0x30, R_QUEUE_SIZE = 0x38,
       R_READY = 0x44, R_NOTIFY = 0x50, R_INTERRUPT = 0x60, R_ACKNOWLEDGE = 0x64, R_STATUS = 0x70, R_DESCRIPTORS = 0x80,
       R_AVAILABLE = 0x90, R_USED = 0xa0, R_CAPACITY = 0x100 };
enum { S_SEEN = 1, S_DRIVER = 2, S_READY = 4, S_FEATURES = 8 };

struct descriptor {
  uint64 address;
  uint32 bytes;
  uint16_t flags, next;
};
/* All that device and driver share, in one page. */
static struct shared {
  struct descriptor descriptors[QUEUE_SIZE];
  struct { uint16_t flags, index, ring[QUEUE_SIZE], event; } available;
  struct { uint16_t flags, index; struct { uint32 id, bytes; } ring[QUEUE_SIZE]; } used __attribute__((aligned(8)));
  struct { uint32 type, reserved; uint64 sector; } header;
  volatile uint8_t status;
  char data[SECTOR] __attribute__((aligned(8)));
} shared __attribute__((aligned(PAGE)));

static LOCK disk_lock = {.name = "disk"};
static int slot = -1, busy, done;
static uint64 sectors;

static volatile uint32 *at(uint64 offset) { return kernel_view(machine.virtio[slot] + offset); }
/* Physical addresses: the device knows no others. Statics of the kernel are not where the linker says, but KERNEL_OFFSET lower. */
static void set_address(uint64 offset, const void *what) {
  *at(offset) = (uint32)physical(what);
  *at(offset + 4) = (uint32)(physical(what) >> 32);
}

static int is_disk(int candidate) {
  slot = candidate;
  return *at(R_MAGIC) == MAGIC && *at(R_VERSION) == 2 && *at(R_DEVICE) == DEVICE_BLOCK;
}

void disk_begin(void) {
  int found = 0;
  for (int n = 0; n < machine.virtio_slots && !found; n++) found = is_disk(n);
  if (!found) {
    slot = -1;
    return;
  }
  *at(R_STATUS) = 0;
  *at(R_STATUS) = S_SEEN;
  *at(R_STATUS) = S_SEEN | S_DRIVER;
  *at(R_FEATURES_SELECT) = 0;
  *at(R_FEATURES) = 0;
  *at(R_FEATURES_SELECT) = 1;
  *at(R_FEATURES) = 1; /* bit 32: we speak version 1 */
  *at(R_STATUS) = S_SEEN | S_DRIVER | S_FEATURES;
  *at(R_QUEUE) = 0;
  *at(R_QUEUE_SIZE) = QUEUE_SIZE;
  set_address(R_DESCRIPTORS, shared.descriptors);
  set_address(R_AVAILABLE, &shared.available);
  set_address(R_USED, &shared.used);
  *at(R_READY) = 1;
  *at(R_STATUS) = S_SEEN | S_DRIVER | S_FEATURES | S_READY;
  sectors = *at(R_CAPACITY) | (uint64)*at(R_CAPACITY + 4) << 32;
}

uint64 disk_sectors(void) { return sectors; }

void disk_interrupt(int number) {
  if (number != slot) return;
  lock(&disk_lock);
  *at(R_ACKNOWLEDGE) = *at(R_INTERRUPT) & 3;
  done = *(volatile uint16_t *)&shared.used.index == shared.available.index;
  lock(&table_lock);
  wake_all(&done);
  unlock(&table_lock);
  unlock(&disk_lock);
}

/* The request in three pieces: what to do (device reads), the sector (either), how it went (device writes one byte). */
static void submit(uint64 sector, int writes) {
  shared.header.type = writes;
  shared.header.sector = sector;
  shared.status = 0xff;
  shared.descriptors[0] = (struct descriptor){physical(&shared.header), sizeof shared.header, NEXT, 1};
  shared.descriptors[1] = (struct descriptor){physical(shared.data), SECTOR, NEXT | (writes ? 0 : DEVICE_WRITES), 2};
  shared.descriptors[2] = (struct descriptor){physical((const void *)&shared.status), 1, DEVICE_WRITES, 0};
  shared.available.ring[shared.available.index % QUEUE_SIZE] = 0;
  __sync_synchronize(); /* the device must not see the count before what it counts */
  shared.available.index++;
  __sync_synchronize();
  done = 0;
  *at(R_NOTIFY) = 0;
}

/* One sector to or from a process. 0, or -1. */
int disk_transfer(uint64 sector, uint64 address, int writes) {
  if (sector >= sectors) return -1;
  lock(&disk_lock);
  while (busy) sleep_on(&busy, &disk_lock);
  busy = 1;
  int good = !writes || copy_from_process(this_process(), shared.data, address, SECTOR);
  if (good) {
    submit(sector, writes != 0);
    while (!done) sleep_on(&done, &disk_lock); /* killed or not: the device does not stop for that */
    good = shared.status == 0 && (writes || copy_to_process(this_process(), address, shared.data, SECTOR));
  }
  busy = 0;
  lock(&table_lock);
  wake_all(&busy);
  unlock(&table_lock);
  unlock(&disk_lock);
  return good ? 0 : -1;
}
