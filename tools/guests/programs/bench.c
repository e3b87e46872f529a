/* The benchmark: matrix product, CRC, linked list, state machine. Prints one checksum, the same on every machine. */
#include "runtime.h"

#ifndef ITERATIONS
#define ITERATIONS 200
#endif

#define ORDER 24
#define NODES 256
#define TEXT 512

static uint32_t seed = 12345;
static uint32_t next_random(void) {
  seed ^= seed << 13;
  seed ^= seed >> 17;
  seed ^= seed << 5;
  return seed;
}

/* Three matrices of 16-bit numbers, 32-bit sums. */
static int16_t left[ORDER][ORDER], right[ORDER][ORDER];
static int32_t product[ORDER][ORDER];

static uint32_t matrix(uint32_t salt) {
  for (int i = 0; i < ORDER; i++)
    for (int j = 0; j < ORDER; j++) {
      left[i][j] = (int16_t)(i * 3 + j + salt);
      right[i][j] = (int16_t)(j * 5 - i + salt);
    }
  uint32_t sum = 0;
  for (int i = 0; i < ORDER; i++)
    for (int j = 0; j < ORDER; j++) {
      int32_t cell = 0;
      for (int k = 0; k < ORDER; k++) cell += left[i][k] * right[k][j];
      product[i][j] = cell;
      sum = sum * 31 + (uint32_t)cell;
    }
  return sum;
}

static uint32_t crc(uint32_t value, const uint8_t *bytes, uint64_t count) {
  for (uint64_t i = 0; i < count; i++) {
    value ^= bytes[i];
    for (int bit = 0; bit < 8; bit++) value = value >> 1 ^ (0xedb88320u & -(value & 1));
  }
  return value;
}

/* A list that is built in random order, sorted by merging, searched and reversed. */
struct node {
  struct node *next;
  uint32_t key, value;
};
static struct node nodes[NODES];

static struct node *merge(struct node *a, struct node *b) {
  struct node head, *tail = &head;
  while (a && b) {
    struct node **from = a->key <= b->key ? &a : &b;
    tail = tail->next = *from;
    *from = (*from)->next;
  }
  tail->next = a ? a : b;
  return head.next;
}

static struct node *sort(struct node *list) {
  if (!list || !list->next) return list;
  struct node *slow = list, *fast = list->next;
  while (fast && fast->next) slow = slow->next, fast = fast->next->next;
  struct node *second = slow->next;
  slow->next = 0;
  return merge(sort(list), sort(second));
}

static uint32_t list(uint32_t salt) {
  seed = salt * 2 + 1;
  for (int i = 0; i < NODES; i++) nodes[i] = (struct node){i + 1 < NODES ? &nodes[i + 1] : 0, next_random() % 1000, i};
  struct node *head = sort(nodes), *reversed = 0;
  uint32_t sum = 0;
  for (uint32_t key = 0; key < 1000; key += 97)
    for (struct node *at = head; at && at->key <= key; at = at->next) sum += at->value;
  while (head) {
    struct node *rest = head->next;
    head->next = reversed;
    reversed = head;
    head = rest;
  }
  for (struct node *at = reversed; at; at = at->next) sum = sum * 17 + at->key;
  return sum;
}

/* Counts words, numbers and errors in a text that it makes itself. */
static char text[TEXT];
enum state { SPACE, WORD, NUMBER, FRACTION, ERROR };

static uint32_t machine(uint32_t salt) {
  static const char letters[] = "ab1 2.3,x 45 -6.7z 8\t";
  seed = salt * 2 + 7;
  for (int i = 0; i < TEXT; i++) text[i] = letters[next_random() % (sizeof letters - 1)];
  uint32_t counts[5] = {0};
  enum state state = SPACE;
  for (int i = 0; i < TEXT; i++) {
    char c = text[i];
    int digit = c >= '0' && c <= '9', blank = c == ' ' || c == '\t' || c == ',';
    switch (state) {
      case SPACE: state = blank ? SPACE : digit || c == '-' ? NUMBER : c == '.' ? FRACTION : WORD; break;
      case WORD: state = blank ? SPACE : digit || c == '.' ? ERROR : WORD; break;
      case NUMBER: state = blank ? SPACE : digit ? NUMBER : c == '.' ? FRACTION : ERROR; break;
      case FRACTION: state = blank ? SPACE : digit ? FRACTION : ERROR; break;
      case ERROR: state = blank ? SPACE : ERROR; break;
    }
    counts[state]++;
  }
  uint32_t sum = 0;
  for (int i = 0; i < 5; i++) sum = sum * 1009 + counts[i];
  return sum;
}

int main(void) {
  uint32_t checksum = 0xffffffff;
  for (uint32_t i = 0; i < ITERATIONS; i++) {
    uint32_t parts[3] = {matrix(i), list(i), machine(i)};
    checksum = crc(checksum, (const uint8_t *)parts, sizeof parts);
    checksum = crc(checksum, (const uint8_t *)product, 256);
  }
  put_text("bench: checksum ");
  put_hex(checksum);
  put_text(", iterations ");
  put_decimal(ITERATIONS);
  put_byte('\n');
  return 0;
}
