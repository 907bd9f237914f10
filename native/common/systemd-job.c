#define _GNU_SOURCE
#include "common/systemd-job.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE_SECONDS 30
#define HEADER_SIZE 16
#define NAME_SIZE 256 /* of a bus name; a job's path is shorter */

enum { METHOD_CALL = 1, METHOD_RETURN = 2, ERROR = 3, SIGNAL = 4 };
enum { FIELD_MEMBER = 3, FIELD_ERROR_NAME = 4, FIELD_REPLY_SERIAL = 5, FIELD_SENDER = 7, FIELD_SIGNATURE = 8 };

/* A reader of values: once it has gone past the end it is broken, and reads nothing any more. */
struct reader {
  const uint8_t *bytes;
  size_t at, end;
  int broken;
};

static const uint8_t *take(struct reader *r, size_t alignment, size_t size) {
  size_t start = (r->at + alignment - 1) & ~(alignment - 1);
  if (r->broken || start > r->end || size > r->end - start) {
    r->broken = 1;
    return NULL;
  }
  r->at = start + size;
  return r->bytes + start;
}

static uint32_t read_u32(struct reader *r) {
  uint32_t value = 0;
  const uint8_t *bytes = take(r, 4, sizeof value);
  if (bytes != NULL) memcpy(&value, bytes, sizeof value);
  return value;
}

static uint8_t read_byte(struct reader *r) {
  const uint8_t *byte = take(r, 1, 1);
  return byte == NULL ? 0 : *byte;
}

static const char *read_text(struct reader *r, size_t length) {
  const uint8_t *text = take(r, 1, length + 1);
  if (text == NULL || text[length] != 0) {
    r->broken = 1;
    return "";
  }
  return (const char *)text;
}

static const char *read_string(struct reader *r) { return read_text(r, read_u32(r)); }
static const char *read_signature(struct reader *r) { return read_text(r, read_byte(r)); }

/* The fixed part of a header, and the length of all of it with its body; 0 when it is broken. */
struct header {
  uint8_t type;
  uint32_t serial, fields_length;
  size_t length;
};

static int read_header(const uint8_t *bytes, struct header *h) {
  struct reader r = {.bytes = bytes, .end = HEADER_SIZE};
  uint8_t order = read_byte(&r);
  h->type = read_byte(&r);
  read_byte(&r); /* flags */
  uint8_t version = read_byte(&r);
  uint64_t body_length = read_u32(&r);
  h->serial = read_u32(&r);
  h->fields_length = read_u32(&r);
  uint64_t length = HEADER_SIZE + (((uint64_t)h->fields_length + 7) & ~7ULL) + body_length;
  if (order != 'l' || version != 1 || length > (128 << 20)) return -EPROTO;
  h->length = (size_t)length;
  return 0;
}

int systemd_job_well_formed(const uint8_t *calls, size_t length) {
  size_t offset = 0;
  uint32_t serial = 0;
  while (offset < length) {
    struct header h;
    if (length - offset < HEADER_SIZE || read_header(calls + offset, &h) < 0) return 0;
    if (h.type != METHOD_CALL || h.serial != ++serial || h.length > length - offset) return 0;
    offset += h.length;
  }
  return serial > 0;
}

static uint32_t last_serial(const uint8_t *calls, size_t length) {
  struct header h = {0};
  for (size_t offset = 0; offset < length; offset += h.length) read_header(calls + offset, &h);
  return h.serial;
}

struct message {
  uint8_t type;
  uint32_t reply_to;
  const char *member, *error, *sender, *signature;
  struct reader body;
};

static int read_message(const uint8_t *bytes, const struct header *h, struct message *m) {
  struct reader r = {.bytes = bytes, .at = HEADER_SIZE, .end = HEADER_SIZE + (size_t)h->fields_length};
  *m = (struct message){.type = h->type, .member = "", .error = "", .sender = "", .signature = ""};
  while (r.at < r.end && !r.broken) {
    const char *text = "";
    uint32_t number = 0;
    take(&r, 8, 0);
    uint8_t code = read_byte(&r);
    const char *type = read_signature(&r);
    if (strcmp(type, "s") == 0 || strcmp(type, "o") == 0) text = read_string(&r);
    else if (strcmp(type, "g") == 0) text = read_signature(&r);
    else if (strcmp(type, "u") == 0) number = read_u32(&r);
    else return -EPROTO;
    if (code == FIELD_MEMBER) m->member = text;
    if (code == FIELD_ERROR_NAME) m->error = text;
    if (code == FIELD_REPLY_SERIAL) m->reply_to = number;
    if (code == FIELD_SENDER) m->sender = text;
    if (code == FIELD_SIGNATURE) m->signature = text;
  }
  m->body = (struct reader){.bytes = bytes, .at = (r.end + 7) & ~(size_t)7, .end = h->length};
  return r.broken ? -EPROTO : 0;
}

/* Without a word in PATIENCE_SECONDS recv says EAGAIN. */
static int receive(int fd, void *bytes, size_t length) {
  ssize_t n;
  for (size_t at = 0; at < length; at += (size_t)n) {
    do n = recv(fd, (char *)bytes + at, length - at, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0) return errno == EAGAIN ? -ETIMEDOUT : -errno;
    if (n == 0) return -ECONNRESET;
  }
  return 0;
}

static int send_all(int fd, const void *bytes, size_t length) {
  ssize_t n;
  for (size_t at = 0; at < length; at += (size_t)n) {
    do n = send(fd, (const char *)bytes + at, length - at, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0) return errno == EAGAIN ? -ETIMEDOUT : -errno;
  }
  return 0;
}

static int connect_to(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  const struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
  if (strlen(path) >= sizeof address.sun_path) return -ENAMETOOLONG;
  strcpy(address.sun_path, path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
  int error = errno;
  close(fd);
  return -error;
}

/* "Authentication Protocol", EXTERNAL: the bus knows from the socket who we are, and is told the same, in digits as hex. */
static int authenticate(int fd, char *text) {
  char user[16], line[128] = "AUTH EXTERNAL ";
  snprintf(user, sizeof user, "%u", (unsigned)geteuid());
  size_t length = strlen(line);
  for (const char *digit = user; *digit != 0; digit++) length += (size_t)snprintf(line + length, sizeof line - length, "%02x", *digit);
  length += (size_t)snprintf(line + length, sizeof line - length, "\r\n");
  int error = send_all(fd, "", 1); /* a NUL byte comes first, with which some systems send credentials */
  if (error == 0) error = send_all(fd, line, length);
  length = 0;
  while (error == 0 && (length < 2 || memcmp(line + length - 2, "\r\n", 2) != 0)) {
    if (length == sizeof line) return -EPROTO;
    error = receive(fd, line + length++, 1);
  }
  if (error < 0) return error;
  line[length - 2] = 0;
  if (strncmp(line, "OK ", 3) == 0) return send_all(fd, "BEGIN\r\n", 7);
  snprintf(text, SYSTEMD_TEXT_SIZE, "%s", line);
  return -EACCES;
}

static int refusal(struct message *m, char *text) {
  static const struct { const char *name; int error; } table[] = {
      {"org.freedesktop.systemd1.UnitExists", EEXIST},
      {"org.freedesktop.systemd1.NoSuchUnit", ENOENT},
      {"org.freedesktop.DBus.Error.AccessDenied", EACCES},
  };
  const char *words = m->signature[0] == 's' ? read_string(&m->body) : "";
  snprintf(text, SYSTEMD_TEXT_SIZE, "%s", *words == 0 ? m->error : words);
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    if (strcmp(m->error, table[i].name) == 0) return -table[i].error;
  return -EREMOTEIO;
}

/* What is known of the job: who runs it, and its object path, once the last call has been answered. */
struct job {
  uint32_t call;
  char runner[NAME_SIZE], path[NAME_SIZE];
};

static int begin_job(struct job *job, struct message *m) {
  const char *path = strcmp(m->signature, "o") == 0 ? read_string(&m->body) : "";
  if (m->body.broken || *path == 0 || strlen(path) >= NAME_SIZE || strlen(m->sender) >= NAME_SIZE) return -EPROTO;
  strcpy(job->path, path);
  strcpy(job->runner, m->sender);
  return 0;
}

/* JobRemoved(id, job, unit, result). Anybody may send signals, so the sender must be who gave us the job. Returns 1 when
 * our job is done. */
static int end_job(const struct job *job, struct message *m, char *text) {
  if (*job->path == 0 || strcmp(m->sender, job->runner) != 0 || strcmp(m->signature, "uoss") != 0) return 0;
  read_u32(&m->body);
  const char *path = read_string(&m->body);
  read_string(&m->body);
  const char *result = read_string(&m->body);
  if (m->body.broken) return -EPROTO;
  if (strcmp(path, job->path) != 0) return 0;
  if (strcmp(result, "done") == 0) return 1;
  snprintf(text, SYSTEMD_TEXT_SIZE, "the job ended as %s", result);
  return -ECANCELED;
}

/* Returns 1 when the job is done, 0 to go on. */
static int handle(struct job *job, struct message *m, char *text) {
  if (m->type == ERROR && m->reply_to >= 1 && m->reply_to <= job->call) return refusal(m, text);
  if (m->type == METHOD_RETURN && m->reply_to == job->call) return begin_job(job, m);
  if (m->type == SIGNAL && strcmp(m->member, "JobRemoved") == 0) return end_job(job, m, text);
  return 0;
}

/* The answer comes before the signal: systemd sends both, in this order, on one connection to the bus. */
static int converse(int fd, uint32_t call, char *text) {
  uint8_t bytes[16384];
  struct job job = {.call = call};
  for (;;) {
    struct header h;
    struct message m;
    int result = receive(fd, bytes, HEADER_SIZE);
    if (result == 0) result = read_header(bytes, &h);
    if (result == 0 && h.length > sizeof bytes) result = -EPROTO;
    if (result == 0) result = receive(fd, bytes + HEADER_SIZE, h.length - HEADER_SIZE);
    if (result == 0) result = read_message(bytes, &h, &m);
    if (result == 0) result = handle(&job, &m, text);
    if (result != 0) return result < 0 ? result : 0;
  }
}

int systemd_job(const char *path, const uint8_t *calls, size_t length, char *text) {
  *text = 0;
  int fd = connect_to(path);
  if (fd < 0) return fd;
  int result = authenticate(fd, text);
  if (result == 0) result = send_all(fd, calls, length);
  if (result == 0) result = converse(fd, last_serial(calls, length), text);
  close(fd);
  return result;
}
