/* Chapter 9: the console, a 16550 UART. Output waits for the wire. Input comes by interrupt and is edited here, a line at a time, before
 * anybody reads it: backspace, Ctrl-U for the whole line, Ctrl-C for every process but the first, Ctrl-D for the end. */
#include <stdarg.h>
#include "kernel.h"

#define DATA 0
#define INTERRUPT_ENABLE 1
#define FIFO_CONTROL 2
#define LINE_STATUS 5
#define RECEIVED 1
#define CAN_SEND 0x20
#define CONTROL(letter) (letter - '@')
#define LINE_MAX 256

static LOCK console_lock = {.name = "console"};
/* Two counters that only grow, taken modulo the size: [read, ended) can be read, [ended, written) is still being typed. */
static char line[LINE_MAX];
static uint32 read_to, ended_at, written_to;

static int has_room(void) { return written_to - read_to < LINE_MAX - 1 || read_to == ended_at; }

static volatile unsigned char *uart(int offset) { return kernel_view(machine.uart + offset); }

static void send(char byte) {
  while (!(*uart(LINE_STATUS) & CAN_SEND)) {}
  *uart(DATA) = byte;
}

void put(char byte) {
  if (byte == '\n') send('\r');
  send(byte);
}

static void put_number(uint64 value, uint64 base) {
  char digits[20];
  int count = 0;
  do digits[count++] = "0123456789abcdef"[value % base];
  while ((value /= base) != 0);
  while (count > 0) put(digits[--count]);
}

void print(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  for (; *format != 0; format++) {
    if (*format != '%') {
      put(*format);
      continue;
    }
    switch (*++format) {
      case 'd': put_number(va_arg(arguments, int), 10); break;
      case 'u': put_number(va_arg(arguments, uint64), 10); break;
      case 'x':
        put('0'), put('x');
        put_number(va_arg(arguments, uint64), 16);
        break;
      case 's':
        for (const char *text = va_arg(arguments, const char *); *text != 0; text++) put(*text);
        break;
    }
  }
  va_end(arguments);
}

void panic(const char *why) {
  print("kernel: %s; stopped\n", why);
  sbi_power_off(1);
}

void console_begin(void) {
  *uart(FIFO_CONTROL) = 7;
  *uart(INTERRUPT_ENABLE) = RECEIVED;
}

static void erase(void) {
  written_to--;
  put('\b'), put(' '), put('\b');
}

static void typed(char byte) {
  if (byte == '\r') byte = '\n';
  if (byte == CONTROL('C')) {
    print("^C\n");
    written_to = ended_at;
    kill_all_but_first();
  } else if (byte == CONTROL('U')) {
    while (written_to != ended_at) erase();
  } else if (byte == '\b' || byte == 0x7f) {
    if (written_to != ended_at) erase();
  } else if (written_to - read_to < LINE_MAX - 1 || byte == '\n') {
    if (byte != CONTROL('D')) put(byte);
    line[written_to++ % LINE_MAX] = byte;
    if (byte == '\n' || byte == CONTROL('D')) ended_at = written_to;
  }
}

/* Takes what there is room for; the rest stays in the UART, which holds up the sender, until a line has been read. Nothing that was typed
 * ahead gets lost. (Of one line that is longer than all the room, the rest is.) */
static void receive(void) {
  while (has_room() && *uart(LINE_STATUS) & RECEIVED) typed(*uart(DATA));
  *uart(INTERRUPT_ENABLE) = has_room() ? RECEIVED : 0;
}

void console_interrupt(void) {
  lock(&console_lock);
  receive();
  lock(&table_lock);
  wake_all(line);
  unlock(&table_lock);
  unlock(&console_lock);
}

/* One line, or as much of it as fits; 0 at Ctrl-D on an empty line. */
int console_read(uint64 to, uint64 bytes) {
  uint64 done = 0;
  lock(&console_lock);
  while (read_to == ended_at) {
    if (this_process()->killed) {
      unlock(&console_lock);
      return -1;
    }
    sleep_on(line, &console_lock);
  }
  while (done < bytes && read_to != ended_at) {
    char byte = line[read_to++ % LINE_MAX];
    if (byte == CONTROL('D')) break;
    if (!copy_to_process(this_process(), to + done++, &byte, 1)) {
      unlock(&console_lock);
      return -1;
    }
    if (byte == '\n') break;
  }
  receive();
  unlock(&console_lock);
  return (int)done;
}

int console_write(uint64 from, uint64 bytes) {
  char some[64];
  for (uint64 done = 0; done < bytes;) {
    uint64 count = bytes - done < sizeof some ? bytes - done : sizeof some;
    if (!copy_from_process(this_process(), some, from + done, count)) return -1;
    lock(&console_lock);
    for (uint64 n = 0; n < count; n++) put(some[n]);
    unlock(&console_lock);
    done += count;
  }
  return (int)bytes;
}
