/* A job of systemd, asked for over D-Bus. D-Bus Specification; org.freedesktop.systemd1(5). */
#ifndef SYSTEMD_JOB_H
#define SYSTEMD_JOB_H
#include <stddef.h>
#include <stdint.h>

#define SYSTEMD_TEXT_SIZE 200

/* Whether `length` bytes are whole calls of methods, with the serial numbers 1, 2, 3 … */
int systemd_job_well_formed(const uint8_t *calls, size_t length);

/* Connects to the bus at the socket `path`, sends the calls and waits for their answers; the last one is answered with a
 * job, whose end is awaited too. Returns 0, or -errno: what connect(2) said; -EEXIST or -ENOENT when the unit is there
 * already, or is not; -EACCES when the bus or systemd does not allow it; -ECANCELED when the job failed; -ETIMEDOUT
 * after half a minute without a word; -EPROTO for an answer that is none; -EREMOTEIO for whatever else was refused.
 * `text` (SYSTEMD_TEXT_SIZE) receives what the bus or systemd said, or the empty string. */
int systemd_job(const char *path, const uint8_t *calls, size_t length, char *text);

#endif
