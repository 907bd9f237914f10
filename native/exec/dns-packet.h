/* DNS messages as bytes: reading questions, writing answers, checking what a resolver sends. RFC 1035, RFC 6891. */
#ifndef DNS_PACKET_H
#define DNS_PACKET_H
#include <stddef.h>
#include <stdint.h>

#define DNS_MAX_MESSAGE 65535
#define DNS_MAX_TEXT 254 /* a name as text, with its NUL */
#define DNS_PLAIN_UDP 512 /* what an answer over UDP may have where the question has no OPT record */

enum { DNS_A = 1, DNS_PTR = 12, DNS_AAAA = 28, DNS_OPT = 41, DNS_ANY = 255 };
enum { DNS_IN = 1 };
enum {
  DNS_NOERROR = 0, DNS_FORMERR = 1, DNS_SERVFAIL = 2, DNS_NOTIMP = 4, DNS_REFUSED = 5,
  DNS_BADVERS = 16, /* its upper bits are in the OPT record */
  DNS_NO_QUERY = -1 /* not to be answered at all */
};

struct dns_question {
  uint16_t flags, type, class;
  size_t end;              /* header and question are the first `end` bytes; 12 where there is no sound question */
  char name[DNS_MAX_TEXT]; /* lower case, without the last dot; empty: the root, or a name that text cannot hold */
  int has_opt;
  uint16_t udp_size; /* the largest answer over UDP */
};

/* Returns DNS_NOERROR, the code to answer a broken query with, or DNS_NO_QUERY. */
int dns_read_query(struct dns_question *q, const uint8_t *message, size_t length);

/* An answer in the making. Records that do not fit are left out, and the answer says so (TC). */
struct dns_answer {
  uint8_t *bytes;
  size_t length, capacity;
  const struct dns_question *question;
  uint16_t count;
  int code;
};
/* `capacity` of at least DNS_PLAIN_UDP: header, question and OPT record always fit. */
void dns_answer_begin(struct dns_answer *a, uint8_t *bytes, size_t capacity, const uint8_t *query, const struct dns_question *q, int code);
void dns_answer_address(struct dns_answer *a, uint16_t type, const uint8_t *address);
void dns_answer_name(struct dns_answer *a, const char *name);
void dns_answer_truncated(struct dns_answer *a);
/* Returns the length of the answer. */
size_t dns_answer_end(struct dns_answer *a);

/* Whether the message, up to *length, is a sound answer to `query`; *length becomes its end. */
int dns_is_answer(const uint8_t *message, size_t *length, const uint8_t *query, const struct dns_question *q);
/* The header's code, and whether the answer was cut. */
int dns_code(const uint8_t *message);
int dns_is_truncated(const uint8_t *message);

/* The address in a name below in-addr.arpa (4 bytes, DNS_A) or ip6.arpa (16 bytes, DNS_AAAA): returns its type, or 0. */
uint16_t dns_reverse_address(const char *name, uint8_t address[16]);

static inline uint16_t dns_u16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }
static inline void dns_put_u16(uint8_t *at, unsigned value) {
  at[0] = (uint8_t)(value >> 8);
  at[1] = (uint8_t)value;
}

#endif
