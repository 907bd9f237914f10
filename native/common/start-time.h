/* When a process began: with its number it names one process for ever. */
#ifndef START_TIME_H
#define START_TIME_H
#include <stdint.h>

/* Field 22 of /proc/PID/stat, clock ticks since boot; 0 when there is no such process. proc_pid_stat(5). */
uint64_t process_start_time(int32_t pid);

#endif
