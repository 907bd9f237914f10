/* Reads messages, each after its length in 4 bytes, and does with each what the DNS server does with what it receives: as a
 * question, and as a resolver's answer to one. Says in a line what came of it. Every message and every answer lies in an allocation
 * of exactly its size, so that a sanitizer sees any access outside of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exec/dns-packet.h"

#define MANY 40

static const uint8_t address[16] = {0xfd, 1, 2, 3};

static void fail(const char *what) {
  puts(what);
  exit(1);
}

/* What is answered must be an answer by our own measure, within the room there is. */
static void answer(const uint8_t *query, const struct dns_question *q, int code) {
  uint8_t *bytes = malloc(q->udp_size), reversed[16];
  struct dns_answer a;
  dns_answer_begin(&a, bytes, q->udp_size, query, q, code);
  if (code == DNS_NOERROR) {
    for (int i = 0; i < MANY; i++) dns_answer_address(&a, DNS_AAAA, address);
    dns_answer_name(&a, q->name);
    dns_reverse_address(q->name, reversed);
  }
  size_t length = dns_answer_end(&a), end = length;
  if (length > q->udp_size) fail("an answer is larger than asked for");
  if (q->end > 12 && (!dns_is_answer(bytes, &end, query, q) || end != length)) fail("a broken answer was made");
  free(bytes);
}

static int answers(const uint8_t *message, size_t length) {
  static const uint8_t query[] = "\x12\x34\x01\0\0\1\0\0\0\0\0\0\3web\7example\0\0\1\0\1";
  struct dns_question q;
  if (dns_read_query(&q, query, sizeof query - 1) != DNS_NOERROR) fail("the sample question is broken");
  size_t end = length;
  if (!dns_is_answer(message, &end, query, &q)) return 0;
  if (end > length) fail("an answer ends behind its end");
  return 1;
}

int main(void) {
  uint32_t length;
  while (fread(&length, sizeof length, 1, stdin) == 1) {
    uint8_t *message = malloc(length);
    if (length > 0 && fread(message, length, 1, stdin) != 1) return 1;
    struct dns_question q;
    int code = dns_read_query(&q, message, length);
    if (code != DNS_NO_QUERY) answer(message, &q, code);
    if (code == DNS_NO_QUERY) puts(answers(message, length) ? "answer" : "none");
    else if (code == DNS_NOERROR) printf("%u %u %u %s\n", q.type, q.class, q.udp_size, q.name);
    else printf("code %d\n", code);
    free(message);
  }
  return 0;
}
