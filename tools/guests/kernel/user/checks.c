/* What an operating system promises: memory that is zero, one's own and in one piece; locks that lock; pipes that lose nothing. */
#include "user.h"

#define PAGE 4096
static word argument(int count, char **words, int which, word otherwise) { return number(count > which ? words[which] : 0, otherwise); }

/* One word in every page, round after round: what it costs depends on how many translations a machine can keep. */
int walk(int count, char **words) {
  word pages = argument(count, words, 1, 64), times = argument(count, words, 2, 10), sum = 0;
  word *heap = (word *)sbrk(pages * PAGE);
  if (heap == (word *)-1) return 1;
  for (word n = 0; n < pages; n++) heap[n * (PAGE / sizeof(word))] = n;
  word began = ticks();
  for (word round = 0; round < times; round++)
    for (word n = 0; n < pages; n++) sum += heap[n * (PAGE / sizeof(word))];
  say("walk: pages=%u rounds=%u sum=%u ticks=%u\n", pages, times, sum, ticks() - began);
  return sum != times * (pages * (pages - 1) / 2);
}

static word dirty_words(word *heap, word pages) {
  word dirty = 0;
  for (word n = 0; n < pages * (PAGE / sizeof(word)); n++) {
    dirty += heap[n] != 0;
    heap[n] = ~n;
  }
  return dirty;
}

/* The second time the pages have been somebody's: this program's own. */
int zero(int count, char **words) {
  word pages = argument(count, words, 1, 32), dirty = 0, began = ticks();
  for (int round = 0; round < 2; round++) {
    word *heap = (word *)sbrk(pages * PAGE);
    if (heap == (word *)-1) return 1;
    dirty += dirty_words(heap, pages);
    sbrk(-(long)(pages * PAGE));
  }
  say("zero: pages=%u dirty=%u ticks=%u\n", pages, dirty, ticks() - began);
  return dirty != 0;
}

int copies(int count, char **words) {
  word pages = argument(count, words, 1, 16), wrong = 0;
  volatile char *heap = sbrk(pages * PAGE);
  for (word n = 0; n < pages; n++) heap[n * PAGE] = 'p';
  if (child() == 0) {
    for (word n = 0; n < pages; n++) wrong += heap[n * PAGE] != 'p';
    for (word n = 0; n < pages; n++) heap[n * PAGE] = 'c';
    for (word n = 0; n < pages; n++) wrong += heap[n * PAGE] != 'c';
    exit(wrong != 0);
  }
  int bad = all_children();
  for (word n = 0; n < pages; n++) wrong += heap[n * PAGE] != 'p';
  say("copies: pages=%u wrong=%u\n", pages, wrong + bad);
  return wrong != 0 || bad != 0;
}

int shared(int count, char **words) {
  word processes = argument(count, words, 1, 4), times = argument(count, words, 2, 1000);
  word *sum = share(1);
  if (sum == (word *)-1) return 1;
  for (word n = 0; n < processes; n++)
    if (child() == 0) {
      for (word round = 0; round < times; round++) __atomic_fetch_add(sum, 1, __ATOMIC_RELAXED);
      exit(0);
    }
  int bad = all_children();
  say("shared: processes=%u sum=%u\n", processes, *sum);
  return bad != 0 || *sum != processes * times;
}

int hold(int count, char **words) {
  struct info it;
  word pages = argument(count, words, 1, 256), during = argument(count, words, 2, 1000);
  char *heap = sbrk(pages * PAGE);
  if (heap == (char *)-1) return 1;
  for (word n = 0; n < pages; n++) heap[n * PAGE] = 1;
  info(&it);
  sleep(during * (it.ticks_per_second / 1000));
  say("hold: pages=%u\n", pages);
  return 0;
}

/* Each must end this program and nothing else. Whoever waits sees 100 and the cause. */
int bad(int count, char **words) {
  const char *what = count > 1 ? words[1] : "null";
  volatile word *kernel = (word *)0xffffffc080200000, *unmapped = (word *)0x30000000;
  if (same(what, "read")) (void)*unmapped;
  if (same(what, "write")) *(volatile word *)0x10000 = 1;
  if (same(what, "exec")) ((void (*)(void))0x3ffffff0)();
  if (same(what, "kernel")) (void)*kernel;
  if (same(what, "illegal")) __asm__ volatile(".word 0");
  if (same(what, "privileged")) __asm__ volatile("csrr a0, sstatus" ::: "a0");
  if (same(what, "null")) *(volatile word *)0 = 1;
  say("bad: %s was allowed\n", what);
  return 0;
}

/* Calls with arguments that make no sense, or nearly do. Left out: what ends the machine or this program, or would wait for ever. */
int chaos(int count, char **words) {
  static const unsigned char left_out[] = {CALL_EXIT, CALL_FORK, CALL_EXEC, CALL_SLEEP, CALL_READ, CALL_WRITE, CALL_HALT};
  word times = argument(count, words, 1, 2000), seed = argument(count, words, 2, 1) * 0x9e3779b97f4a7c15, refused = 0;
  char *own = sbrk(PAGE);
  for (word n = 0; n < times; n++) {
    word a[4];
    for (int each = 0; each < 4; each++) {
      seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
      word kinds[] = {seed, seed >> 40, seed % 64, (word)own + seed % PAGE, 0x3fff0000 + seed % PAGE, 0xffffffc080000000 + seed % PAGE, -(seed % 8), 0x20000000 + seed % PAGE};
      a[each] = kinds[seed >> 32 & 7];
    }
    word number = a[0] % (CALLS + 4);
    for (word each = 0; each < sizeof left_out; each++)
      if (number == left_out[each]) number = CALL_GETPID;
    if (number == CALL_SBRK && (long)a[1] > 64 * PAGE) a[1] %= PAGE;
    if (number == CALL_CLOSE || number == CALL_MOVE) a[1] = a[1] % 8 + 3, a[2] = a[2] % 8 + 3;
    if (number == CALL_KILL) a[1] |= 1 << 20;
    refused += call(number, a[1], a[2], a[3]) < 0;
  }
  say("chaos: calls=%u refused=%s\n", times, refused > 0 ? "some" : "none");
  return 0;
}

struct lock_page {
  volatile uint32_t held, next, serving;
  volatile word counter;
};

static void take(struct lock_page *it, int tickets) {
  if (tickets) {
    uint32_t mine = __atomic_fetch_add(&it->next, 1, __ATOMIC_RELAXED);
    while (__atomic_load_n(&it->serving, __ATOMIC_ACQUIRE) != mine) {}
  } else
    while (__atomic_exchange_n(&it->held, 1, __ATOMIC_ACQUIRE) != 0) {}
}
static void give(struct lock_page *it, int tickets) {
  if (tickets) __atomic_store_n(&it->serving, it->serving + 1, __ATOMIC_RELEASE);
  else __atomic_store_n(&it->held, 0, __ATOMIC_RELEASE);
}

/* Without the lock, additions would be lost. With more processes than CPUs a holder is preempted now and then, and the others spin for
 * nothing: how long is what a ticket lock, a gang scheduler or a yield changes. */
int locks(int count, char **words) {
  word processes = argument(count, words, 1, 4), times = argument(count, words, 2, 500), began = ticks();
  int tickets = count > 3 && same(words[3], "ticket");
  struct lock_page *page = share(1);
  if (page == (void *)-1) return 1;
  for (word n = 0; n < processes; n++)
    if (child() == 0) {
      for (word round = 0; round < times; round++) {
        take(page, tickets);
        page->counter = page->counter + 1;
        give(page, tickets);
      }
      exit(0);
    }
  int bad = all_children();
  say("locks: kind=%s processes=%u counter=%u ticks=%u\n", tickets ? "ticket" : "spin", processes, page->counter, ticks() - began);
  return bad != 0 || page->counter != processes * times;
}

/* All in the kernel at once, in different corners of it: a page each time, given back at once. One big lock makes them queue. */
int kernel_locks(int count, char **words) {
  struct info before, after;
  word processes = argument(count, words, 1, 4), times = argument(count, words, 2, 100);
  info(&before);
  word began = ticks();
  for (word n = 0; n < processes; n++)
    if (child() == 0) {
      for (word round = 0; round < times; round++) {
        volatile char *heap = sbrk(PAGE);
        *heap = 1;
        sbrk(-PAGE);
      }
      exit(0);
    }
  int bad = all_children();
  word took = ticks() - began;
  info(&after);
  say("kernel-locks: processes=%u times=%u ticks=%u taken=%u waited=%u\n", processes, times, took, after.locks_taken - before.locks_taken,
      after.locks_waited - before.locks_waited);
  return bad;
}

/* Producers write numbers, the consumer adds them up: nothing lost, nothing twice. */
int pipes(int count, char **words) {
  word bytes = argument(count, words, 1, 4096), producers = argument(count, words, 2, 2), got = 0, sum = 0, began = ticks();
  int ends[2];
  unsigned char some[64];
  long part;
  if (pipe(ends) < 0) return 1;
  for (word n = 0; n < producers; n++)
    if (child() == 0) {
      close(ends[0]);
      for (word at = 0; at < bytes; at += part) {
        part = bytes - at < sizeof some ? bytes - at : sizeof some;
        for (long each = 0; each < part; each++) some[each] = (at + each) % 251;
        if (write(ends[1], some, part) != part) exit(1);
      }
      exit(0);
    }
  close(ends[1]);
  while ((part = read(ends[0], some, sizeof some)) > 0)
    for (got += part; part > 0; part--) sum += some[part - 1];
  int bad = all_children();
  word wanted = 0;
  for (word at = 0; at < bytes; at++) wanted += at % 251;
  say("pipes: producers=%u bytes=%u sum=%u ticks=%u\n", producers, got, sum, ticks() - began);
  return bad != 0 || got != producers * bytes || sum != producers * wanted;
}
