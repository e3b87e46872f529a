/* Bytes and text. The compiler calls the first two by itself. */
#include "kernel.h"

/* Whole words where both ends allow it: at boot and at every new page this is most of what the kernel does. */
void *memset(void *to, int value, size_t bytes) {
  unsigned char *at = to;
  if ((((uint64)to | bytes) & 7) == 0) {
    uint64 word = (unsigned char)value * 0x0101010101010101ull;
    for (uint64 *each = to, *end = (uint64 *)(at + bytes); each < end; each++) *each = word;
  } else
    while (bytes-- > 0) *at++ = value;
  return to;
}

void *memcpy(void *to, const void *from, size_t bytes) {
  unsigned char *at = to;
  const unsigned char *source = from;
  if ((((uint64)to | (uint64)from | bytes) & 7) == 0) {
    const uint64 *word = from;
    for (uint64 *each = to, *end = (uint64 *)(at + bytes); each < end; each++) *each = *word++;
  } else
    while (bytes-- > 0) *at++ = *source++;
  return to;
}

int text_equal(const char *left, const char *right) {
  while (*left != 0 && *left == *right) left++, right++;
  /* A boot argument ends at a blank. */
  return *right == 0 && (*left == 0 || *left == ' ');
}

uint64 text_number(const char *text) {
  uint64 value = 0;
  while (*text >= '0' && *text <= '9') value = value * 10 + (*text++ - '0');
  return value;
}
