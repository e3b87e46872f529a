#include <stdarg.h>
#include "user.h"

void *memset(void *to, int value, size_t bytes) {
  for (char *at = to; bytes > 0; bytes--) *at++ = value;
  return to;
}
void *memcpy(void *to, const void *from, size_t bytes) {
  char *at = to;
  for (const char *source = from; bytes > 0; bytes--) *at++ = *source++;
  return to;
}
word length(const char *text) {
  word count = 0;
  while (text[count] != 0) count++;
  return count;
}
int same(const char *left, const char *right) {
  while (*left != 0 && *left == *right) left++, right++;
  return *left == *right;
}
word number(const char *text, word otherwise) {
  if (text == 0 || *text < '0' || *text > '9') return otherwise;
  word value = 0;
  while (*text >= '0' && *text <= '9') value = value * 10 + (*text++ - '0');
  return value;
}

static char out[512];
static word used;
static void put(char byte) {
  if (used < sizeof out) out[used++] = byte;
}
static void put_number(word value, word base) {
  char digits[20];
  int count = 0;
  do digits[count++] = "0123456789abcdef"[value % base];
  while ((value /= base) != 0);
  while (count > 0) put(digits[--count]);
}

void say(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  used = 0;
  for (; *format != 0; format++) {
    if (*format != '%') {
      put(*format);
      continue;
    }
    switch (*++format) {
      case 'u': put_number(va_arg(arguments, word), 10); break;
      case 'x': put_number(va_arg(arguments, word), 16); break;
      case 'd': {
        int value = va_arg(arguments, int);
        if (value < 0) put('-');
        put_number(value < 0 ? -(word)value : (word)value, 10);
        break;
      }
      case 's':
        for (const char *text = va_arg(arguments, const char *); *text != 0; text++) put(*text);
        break;
    }
  }
  va_end(arguments);
  write(1, out, used);
}

int all_children(void) {
  int code, bad = 0;
  while (wait(&code) >= 0) bad += code != 0;
  return bad;
}

int child(void) {
  int id = fork();
  if (id < 0) {
    say("no more processes or no memory\n");
    all_children();
    exit(1);
  }
  return id;
}
