#include "dns-packet.h"

#include <string.h>

#define HEADER 12
#define MAX_NAME 255 /* bytes of a name, with the lengths of its labels */
#define MAX_LABEL 63
#define OPT_SIZE 11
#define OWN_UDP_SIZE 1232 /* fits any path without fragments */
#define NAME_OF_QUESTION 0xc00c /* a pointer to byte 12 */
/* Containers come and go: nobody shall remember where one was. */
#define TTL_S 0

enum { QR = 0x8000, OPCODE = 0x7800, AA = 0x0400, TC = 0x0200, RD = 0x0100, RA = 0x0080, CODE = 0x000f };

static int lower(int c) { return c >= 'A' && c <= 'Z' ? c + 'a' - 'A' : c; }

/* Returns where the name at `at` ends, 0 when it is broken. `text` (or NULL) becomes empty when it cannot hold the name: a dot
 * inside a label, a control character. A pointer leads to before the run of labels it ends, so that every chain of them ends. */
static size_t read_name(const uint8_t *m, size_t length, size_t at, char *text) {
  size_t end = 0, run = at, size = 1, written = 0;
  int plain = 1;
  for (;;) {
    if (at >= length) return 0;
    unsigned n = m[at];
    if (n >= 0xc0) {
      if (at + 2 > length) return 0;
      size_t target = dns_u16(m + at) & 0x3fff;
      if (end == 0) end = at + 2;
      if (target < HEADER || target >= run) return 0;
      at = run = target;
      continue;
    }
    if (n > MAX_LABEL || n >= length - at) return 0;
    at++;
    if (n == 0) break;
    size += n + 1;
    if (size > MAX_NAME) return 0;
    if (text != NULL && written > 0) text[written++] = '.';
    for (unsigned i = 0; i < n; i++, at++) {
      if (m[at] <= ' ' || m[at] == '.' || m[at] > '~') plain = 0;
      if (text != NULL) text[written++] = (char)lower(m[at]);
    }
  }
  if (text != NULL) text[plain ? written : 0] = 0;
  return end == 0 ? at : end;
}

/* Returns where the record ends, 0 when it is broken. *fixed is where its type stands. */
static size_t read_record(const uint8_t *m, size_t length, size_t at, size_t *fixed) {
  at = read_name(m, length, at, NULL);
  if (at == 0 || length - at < 10) return 0;
  *fixed = at;
  size_t data = dns_u16(m + at + 8);
  return data > length - at - 10 ? 0 : at + 10 + data;
}

/* The OPT record among those behind the question. Returns a code. */
static int read_opt(struct dns_question *q, const uint8_t *m, size_t length) {
  unsigned before = dns_u16(m + 6) + dns_u16(m + 8), all = before + dns_u16(m + 10);
  size_t at = q->end, fixed = 0;
  for (unsigned i = 0; i < all; i++) {
    size_t start = at;
    at = read_record(m, length, at, &fixed);
    if (at == 0) return DNS_FORMERR;
    if (i < before || dns_u16(m + fixed) != DNS_OPT) continue;
    if (q->has_opt || m[start] != 0) return DNS_FORMERR;
    q->has_opt = 1;
    if (dns_u16(m + fixed + 2) > DNS_PLAIN_UDP) q->udp_size = dns_u16(m + fixed + 2);
    if (m[fixed + 5] != 0) return DNS_BADVERS;
  }
  return DNS_NOERROR;
}

int dns_read_query(struct dns_question *q, const uint8_t *m, size_t length) {
  *q = (struct dns_question){.end = HEADER, .udp_size = DNS_PLAIN_UDP};
  if (length < HEADER) return DNS_NO_QUERY;
  q->flags = dns_u16(m + 2);
  if (q->flags & QR) return DNS_NO_QUERY; /* answering answers, two servers would talk for ever */
  if (q->flags & OPCODE) return DNS_NOTIMP;
  if (dns_u16(m + 4) != 1) return DNS_FORMERR;
  size_t end = read_name(m, length, HEADER, q->name);
  if (end == 0 || length - end < 4) return DNS_FORMERR;
  q->type = dns_u16(m + end);
  q->class = dns_u16(m + end + 2);
  q->end = end + 4;
  return read_opt(q, m, length);
}

void dns_answer_begin(struct dns_answer *a, uint8_t *bytes, size_t capacity, const uint8_t *query, const struct dns_question *q, int code) {
  *a = (struct dns_answer){.bytes = bytes, .length = q->end, .capacity = capacity, .question = q, .code = code};
  if (q->has_opt) a->capacity -= OPT_SIZE;
  memcpy(bytes, query, q->end);
  unsigned authority = code == DNS_NOERROR ? AA : 0;
  dns_put_u16(bytes + 2, QR | (q->flags & (OPCODE | RD)) | authority | RA | ((unsigned)code & CODE));
  memset(bytes + 4, 0, 8);
  dns_put_u16(bytes + 4, q->end > HEADER);
}

/* Room for a record about the name of the question; NULL when there is none. */
static uint8_t *add_record(struct dns_answer *a, uint16_t type, size_t data) {
  if (data + 12 > a->capacity - a->length) {
    dns_answer_truncated(a);
    return NULL;
  }
  uint8_t *at = a->bytes + a->length;
  dns_put_u16(at, NAME_OF_QUESTION);
  dns_put_u16(at + 2, type);
  dns_put_u16(at + 4, DNS_IN);
  memset(at + 6, TTL_S, 4);
  dns_put_u16(at + 10, (unsigned)data);
  a->length += 12 + data;
  a->count++;
  return at + 12;
}

void dns_answer_address(struct dns_answer *a, uint16_t type, const uint8_t *address) {
  size_t size = type == DNS_A ? 4 : 16;
  uint8_t *data = add_record(a, type, size);
  if (data != NULL) memcpy(data, address, size);
}

/* A name of which a label is too long, or which is itself too long, has no place in a message and is left out. */
void dns_answer_name(struct dns_answer *a, const char *name) {
  uint8_t encoded[MAX_NAME];
  size_t size = 0;
  for (const char *label = name; *label != 0;) {
    size_t n = strcspn(label, ".");
    if (n == 0 || n > MAX_LABEL || size + n + 2 > sizeof encoded) return;
    encoded[size++] = (uint8_t)n;
    memcpy(encoded + size, label, n);
    size += n;
    label += n + (label[n] == '.');
  }
  encoded[size++] = 0;
  uint8_t *data = add_record(a, DNS_PTR, size);
  if (data != NULL) memcpy(data, encoded, size);
}

void dns_answer_truncated(struct dns_answer *a) { a->bytes[2] |= TC >> 8; }

size_t dns_answer_end(struct dns_answer *a) {
  dns_put_u16(a->bytes + 6, a->count);
  if (!a->question->has_opt) return a->length;
  uint8_t *opt = a->bytes + a->length;
  memset(opt, 0, OPT_SIZE);
  dns_put_u16(opt + 1, DNS_OPT);
  dns_put_u16(opt + 3, OWN_UDP_SIZE);
  opt[5] = (uint8_t)(a->code >> 4);
  dns_put_u16(a->bytes + 10, 1);
  return a->length + OPT_SIZE;
}

/* The lengths of labels are below 'A', so that a comparison without case may go over the bytes as they are. */
static int same_question(const uint8_t *a, const uint8_t *b, const struct dns_question *q) {
  for (size_t i = HEADER; i < q->end; i++)
    if (i < q->end - 4 ? lower(a[i]) != lower(b[i]) : a[i] != b[i]) return 0;
  return 1;
}

int dns_is_answer(const uint8_t *m, size_t *length, const uint8_t *query, const struct dns_question *q) {
  if (*length < q->end || memcmp(m, query, 2) != 0) return 0;
  unsigned flags = dns_u16(m + 2);
  if (!(flags & QR) || (flags & OPCODE) || dns_u16(m + 4) != 1 || !same_question(m, query, q)) return 0;
  unsigned records = (unsigned)dns_u16(m + 6) + dns_u16(m + 8) + dns_u16(m + 10);
  size_t at = q->end, fixed;
  for (unsigned i = 0; i < records; i++) {
    size_t next = read_record(m, *length, at, &fixed);
    /* Some servers cut in the middle of a record; whoever asked will ask again over TCP. */
    if (next == 0) return (flags & TC) != 0;
    at = next;
  }
  *length = at;
  return 1;
}

int dns_code(const uint8_t *m) { return m[3] & CODE; }
int dns_is_truncated(const uint8_t *m) { return (m[2] & TC >> 8) != 0; }

static int digit(char c, int base) {
  int value = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
  return value < base ? value : -1;
}

/* One label that is a number below `limit`, without leading zeros; returns what follows its dot, or NULL. */
static const char *reverse_label(const char *at, int base, int limit, int *value) {
  int n = 0, digits = 0;
  for (int d; (d = digit(*at, base)) >= 0; at++, digits++) {
    if (digits > 0 && n == 0) return NULL;
    n = n * base + d;
    if (n >= limit) return NULL;
  }
  *value = n;
  return digits > 0 && *at == '.' ? at + 1 : NULL;
}

uint16_t dns_reverse_address(const char *name, uint8_t address[16]) {
  const char *at = name;
  int value;
  int n = 0;
  for (; n < 4 && (at = reverse_label(at, 10, 256, &value)) != NULL; n++) address[3 - n] = (uint8_t)value;
  if (at != NULL && strcmp(at, "in-addr.arpa") == 0) return DNS_A;
  memset(address, 0, 16);
  for (n = 0, at = name; n < 32 && (at = reverse_label(at, 16, 16, &value)) != NULL; n++)
    address[15 - n / 2] |= (uint8_t)(n % 2 ? value << 4 : value);
  return at != NULL && strcmp(at, "ip6.arpa") == 0 ? DNS_AAAA : 0;
}
