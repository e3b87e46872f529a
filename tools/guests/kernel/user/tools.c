/* Small tools: look around, and a disk to keep something on. */
#include "user.h"

int echo(int count, char **words) {
  for (int n = 1; n < count; n++) say(n + 1 < count ? "%s " : "%s", words[n]);
  say("\n");
  return 0;
}

int true_program(int count, char **words) { return (void)count, (void)words, 0; }
int false_program(int count, char **words) { return (void)count, (void)words, 1; }

static word milliseconds(word count) {
  struct info it;
  info(&it);
  return count * (it.ticks_per_second / 1000);
}

int sleep_program(int count, char **words) {
  sleep(milliseconds(number(count > 1 ? words[1] : 0, 1000)));
  return 0;
}

/* The cheapest system call now and then: to whoever watches this machine from below, it shows one without a crowd of others around it. */
int beat(int count, char **words) {
  word pause = milliseconds(number(count > 1 ? words[1] : 0, 5000)), times = number(count > 2 ? words[2] : 0, 0);
  for (word made = 0; times == 0 || made < times; made++) {
    sleep(pause);
    getpid();
  }
  return 0;
}

int ps(int count, char **words) {
  static const char *const states[] = {"unused", "ready", "running", "sleeping", "ended"};
  struct status it;
  (void)count, (void)words;
  for (int slot = 0; status(slot, &it) == 0; slot++)
    if (it.state != 0) say("%d %s %s parent=%d ticks=%u\n", it.id, it.name, states[it.state], it.parent, it.ran_ticks);
  return 0;
}

int kill_program(int count, char **words) {
  if (count == 2 && kill((int)number(words[1], 0)) == 0) return 0;
  say("kill: no such process\n");
  return 1;
}

int memory(int count, char **words) {
  struct info it;
  (void)count, (void)words;
  info(&it);
  say("memory: free_pages=%u all_bytes=%u\n", it.frames_free, it.memory_bytes);
  return 0;
}

int balloon(int count, char **words) {
  int pages = (int)number(count > 2 ? words[2] : 0, 0), away = pages == 0 ? -1 : balloon_change(same(words[1], "in") ? -pages : pages);
  if (away < 0) {
    say("balloon: out PAGES or in PAGES; only with a hypervisor that listens\n");
    return 1;
  }
  say("balloon: away=%d\n", away);
  return 0;
}

int cpus(int count, char **words) {
  struct info it;
  (void)count, (void)words;
  info(&it);
  say("cpus: harts=%u traps=%u calls=%u faults=%u switches=%u interrupts=%u idle_ticks=%u lock_taken=%u lock_waited=%u para=%u\n", it.harts,
      it.traps, it.system_calls, it.faults, it.switches, it.interrupts, it.idle_ticks, it.locks_taken, it.locks_waited, it.paravirtual);
  return 0;
}

/* A file system of places: the first four sectors are the directory, every entry has eight sectors for itself. */
#define PLACES 64
#define PLACE_SECTORS 8
#define FIRST_SECTOR 4
#define ENTRIES_PER_SECTOR (PLACES / FIRST_SECTOR)
#define FILE_BYTES_MAX (PLACE_SECTORS * SECTOR)
struct place {
  char name[28];
  uint32_t bytes;
};
static struct place places[PLACES];

static int load_places(void) {
  for (int n = 0; n < FIRST_SECTOR; n++)
    if (disk_read(n, &places[n * ENTRIES_PER_SECTOR]) < 0) {
      say("there is no disk, or it is too small\n");
      return 0;
    }
  return 1;
}
static int store_place(int place) {
  int sector = place / ENTRIES_PER_SECTOR;
  return disk_write(sector, &places[sector * ENTRIES_PER_SECTOR]) == 0;
}
static word first_sector(int place) { return FIRST_SECTOR + (word)place * PLACE_SECTORS; }

/* Its number; with an empty name, that of the first free place. */
static int place_of(const char *name) {
  for (int n = 0; n < PLACES; n++)
    if (same(places[n].name, name)) return n;
  return -1;
}

int format(int count, char **words) {
  (void)count, (void)words;
  memset(places, 0, sizeof places);
  for (int n = 0; n < FIRST_SECTOR; n++)
    if (!store_place(n * ENTRIES_PER_SECTOR)) {
      say("format: there is no disk, or it is too small\n");
      return 1;
    }
  return 0;
}

int ls(int count, char **words) {
  (void)count, (void)words;
  if (!load_places()) return 1;
  for (int n = 0; n < PLACES; n++)
    if (places[n].name[0] != 0) say("%s %u\n", places[n].name, (word)places[n].bytes);
  return 0;
}

static int copy_in(void) {
  char some[256];
  long bytes;
  while ((bytes = read(0, some, sizeof some)) > 0) write(1, some, bytes);
  return 0;
}

int count_program(int count, char **words) {
  char some[256];
  word lines = 0, bytes = 0, sum = 0;
  long part;
  (void)count, (void)words;
  while ((part = read(0, some, sizeof some)) > 0)
    for (long n = 0; n < part; n++) {
      bytes++;
      lines += some[n] == '\n';
      sum = (sum * 31 + (unsigned char)some[n]) % 1000000007;
    }
  say("count: lines=%u bytes=%u sum=%u\n", lines, bytes, sum);
  return 0;
}

int cat(int count, char **words) {
  static char sector[SECTOR];
  if (count < 2) return copy_in();
  int place = load_places() ? place_of(words[1]) : -1;
  if (place < 0) {
    say("cat: no file %s\n", words[1]);
    return 1;
  }
  word left = places[place].bytes;
  for (word at = first_sector(place); left > 0; at++) {
    word some = left < SECTOR ? left : SECTOR;
    if (disk_read(at, sector) < 0) return 1;
    write(1, sector, some);
    left -= some;
  }
  return 0;
}

static void append(char *text, word *bytes, const char *what) {
  while (*what != 0 && *bytes < FILE_BYTES_MAX) text[(*bytes)++] = *what++;
}

int save(int count, char **words) {
  static char text[FILE_BYTES_MAX];
  word bytes = 0;
  if (count < 2 || length(words[1]) >= sizeof places[0].name || !load_places()) {
    say("save: give a name of at most 27 characters\n");
    return 1;
  }
  for (int n = 2; n < count; n++) append(text, &bytes, words[n]), append(text, &bytes, n + 1 < count ? " " : "\n");
  int place = place_of(words[1]);
  if (place < 0) place = place_of("");
  if (place < 0) {
    say("save: the disk is full\n");
    return 1;
  }
  for (word at = 0; at * SECTOR < bytes; at++)
    if (disk_write(first_sector(place) + at, text + at * SECTOR) < 0) {
      say("save: the disk is too small\n");
      return 1;
    }
  /* The directory last: a power cut leaves the old file or the new one. */
  memcpy(places[place].name, words[1], length(words[1]) + 1);
  places[place].bytes = bytes;
  return store_place(place) ? 0 : 1;
}

int rm(int count, char **words) {
  int place = count > 1 && load_places() ? place_of(words[1]) : -1;
  if (place < 0) {
    say("rm: no such file\n");
    return 1;
  }
  memset(&places[place], 0, sizeof places[place]);
  return store_place(place) ? 0 : 1;
}

int disk(int count, char **words) {
  static char sector[SECTOR];
  word at = number(count > 2 ? words[2] : 0, 0), bytes = 0;
  if (count > 2 && same(words[1], "read") && disk_read(at, sector) == 0) {
    while (bytes < SECTOR && sector[bytes] != 0) bytes++;
    write(1, sector, bytes);
    say("\ndisk: sector=%u bytes=%u\n", at, bytes);
    return 0;
  }
  for (int n = 3; n < count; n++)
    for (const char *from = words[n]; bytes < SECTOR - 1 && *from != 0; from++) sector[bytes++] = *from;
  if (count > 3 && same(words[1], "write") && disk_write(at, sector) == 0) {
    say("disk: sector=%u bytes=%u\n", at, bytes);
    return 0;
  }
  say("disk: read SECTOR, or write SECTOR TEXT; does the machine have one, and is it that big?\n");
  return 1;
}
