/* What an operating system costs. Every program prints one line of `name: key=value ...`; ticks are of the machine's clock, and all that is not
 * ticks or instructions must be the same on any machine. */
#include "user.h"

static word argument(int count, char **words, int which, word otherwise) { return number(count > which ? words[which] : 0, otherwise); }

static void line(const char *name, word count, word began) { say("%s: count=%u ticks=%u\n", name, count, ticks() - began); }

int syscalls(int count, char **words) {
  word times = argument(count, words, 1, 1000), began = ticks();
  for (word n = 0; n < times; n++) getpid();
  line("syscalls", times, began);
  return 0;
}

int yields(int count, char **words) {
  word times = argument(count, words, 1, 1000), began = ticks();
  for (word n = 0; n < times; n++) yield();
  line("yields", times, began);
  return 0;
}

/* One byte back and forth: two context switches a round. The bytes that come back are counted up, so a lost one would show. */
static void echo_back(int from, int to) {
  unsigned char byte;
  while (read(from, &byte, 1) == 1) {
    byte++;
    write(to, &byte, 1);
  }
  exit(0);
}

static int rounds(word times) {
  int there[2], back[2];
  unsigned char byte = 0;
  if (pipe(there) < 0 || pipe(back) < 0) return 0;
  if (child() == 0) {
    close(there[1]), close(back[0]);
    echo_back(there[0], back[1]);
  }
  close(there[0]), close(back[1]);
  for (word n = 0; n < times; n++) {
    write(there[1], &byte, 1);
    if (read(back[0], &byte, 1) != 1) return 0;
  }
  close(there[1]), close(back[0]);
  return all_children() == 0 && byte == (unsigned char)times;
}

int pingpong(int count, char **words) {
  word times = argument(count, words, 1, 200), began = ticks();
  int good = rounds(times);
  line("pingpong", times, began);
  return !good;
}

int forks(int count, char **words) {
  word times = argument(count, words, 1, 20), began = ticks();
  int bad = 0;
  for (word n = 0; n < times; n++) {
    if (child() == 0) exit(0);
    bad += all_children();
  }
  line("forks", times, began);
  return bad;
}

int spawns(int count, char **words) {
  word times = argument(count, words, 1, 20), began = ticks();
  char *other[] = {"true", 0};
  int bad = 0;
  for (word n = 0; n < times; n++) {
    if (child() == 0) {
      exec(other, 1);
      exit(1);
    }
    bad += all_children();
  }
  line("spawns", times, began);
  return bad;
}

static void touch(volatile char *from, word pages) {
  for (word n = 0; n < pages; n++) from[n * 4096] = 1;
}

int faults(int count, char **words) {
  struct info before, after;
  word pages = argument(count, words, 1, 64);
  char *heap = sbrk(pages * 4096);
  if (heap == (char *)-1) return 1;
  info(&before);
  word began = ticks();
  touch(heap, pages);
  word ended = ticks();
  info(&after);
  say("faults: pages=%u faults=%u ticks=%u\n", pages, after.faults - before.faults, ended - began);
  return 0;
}

/* The four figures that every paper on virtual machines has, in instructions and ticks for one. */
#define TIMES 100
#define COST(name, times, what)                                                                                    \
  do {                                                                                                             \
    word began = ticks(), instructions_began = instructions();                                                     \
    what;                                                                                                          \
    word took = ticks() - began, executed = instructions() - instructions_began;                                   \
    say("cost: name=%s times=%u instructions_each=%u ticks=%u\n", name, (word)(times), executed / (times), took);   \
  } while (0)

static void null_calls(void) {
  for (int n = 0; n < TIMES; n++) getpid();
}
static void fork_children(void) {
  for (int n = 0; n < TIMES / 10; n++) {
    if (child() == 0) exit(0);
    all_children();
  }
}

int costs(int count, char **words) {
  (void)count, (void)words;
  char *heap = sbrk(TIMES * 4096);
  COST("null-call", TIMES, null_calls());
  COST("context-switch", 2 * TIMES, rounds(TIMES));
  COST("fork", TIMES / 10, fork_children());
  COST("page-fault", TIMES, touch(heap, TIMES));
  return 0;
}

int primes(int count, char **words) {
  word below = argument(count, words, 1, 2000), found = 0, sum = 0, began = ticks();
  for (word n = 2; n < below; n++) {
    word divisor = 2;
    while (divisor * divisor <= n && n % divisor != 0) divisor++;
    if (divisor * divisor > n) found++, sum += n;
  }
  say("primes: below=%u found=%u sum=%u ticks=%u\n", below, found, sum, ticks() - began);
  return 0;
}

static word for_milliseconds(int count, char **words, int which, word otherwise) {
  struct info it;
  info(&it);
  return argument(count, words, which, otherwise) * (it.ticks_per_second / 1000);
}

/* Some work that no compiler can leave out. Reading the clock is an exit where it is virtual, so it is read rarely. */
static void work(void) {
  for (volatile int n = 0; n < 500; n++) {}
}

int spin(int count, char **words) {
  word began = ticks(), during = for_milliseconds(count, words, 1, 100);
  while (ticks() - began < during) work();
  line("spin", 1, began);
  return 0;
}

/* All compute; at the end each says how far it came. The share of the least to that of the most, in percent. */
int fair(int count, char **words) {
  word processes = argument(count, words, 1, 4), during = for_milliseconds(count, words, 2, 80), least = -1, most = 0;
  volatile word *done = share(1);
  if (done == (void *)-1 || processes > 32) return 1;
  word end = ticks() + during;
  for (word n = 0; n < processes; n++)
    if (child() == 0) {
      for (; ticks() < end; done[n]++) work();
      exit(0);
    }
  int bad = all_children();
  for (word n = 0; n < processes; n++) {
    if (done[n] < least) least = done[n];
    if (done[n] > most) most = done[n];
  }
  say("fair: processes=%u least_percent=%u\n", processes, most == 0 ? 0 : least * 100 / most);
  return bad;
}

int idle(int count, char **words) {
  struct info before, after;
  word during = for_milliseconds(count, words, 1, 1000), began = ticks();
  info(&before);
  sleep(during);
  info(&after);
  say("idle: slept_ticks=%u idle_ticks=%u\n", ticks() - began, after.idle_ticks - before.idle_ticks);
  return 0;
}
