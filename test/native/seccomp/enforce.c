/*
 * Loads a compiled filter into the real kernel and makes system calls under it.
 *
 *   enforce FILE FLAGS CALL...      CALL is [i386:]NUMBER[:ARGUMENT...], in decimal
 *
 * Prints the nanoseconds that loading took, then one line for each call: its result, or minus its errno.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void fail(const char *tried)
{
	perror(tried);
	exit(1);
}

#if defined(__x86_64__)
static long call_i386(long number, const long *args)
{
	long result;
	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(number), "b"(args[0]), "c"(args[1]), "d"(args[2])
			 : "memory", "r8", "r9", "r10", "r11");
	return (int)result;
}
#endif

static long make_call(char *text)
{
	long args[6] = {0};
	int is_i386 = strncmp(text, "i386:", 5) == 0;
	char *rest = is_i386 ? text + 5 : text;
	long number = strtol(strsep(&rest, ":"), NULL, 0);
	for (int i = 0; i < 6 && rest != NULL; i++)
		args[i] = strtol(strsep(&rest, ":"), NULL, 0);
#if defined(__x86_64__)
	if (is_i386)
		return call_i386(number, args);
#endif
	long result = syscall(number, args[0], args[1], args[2], args[3], args[4], args[5]);
	return result < 0 ? -errno : result;
}

int main(int argc, char **argv)
{
	static struct sock_filter code[BPF_MAXINSNS];
	if (argc < 3)
		return 2;
	FILE *file = fopen(argv[1], "rb");
	if (file == NULL)
		fail(argv[1]);
	struct sock_fprog program = {.filter = code};
	program.len = fread(code, sizeof(code[0]), BPF_MAXINSNS, file);
	fclose(file);

	struct timespec from, to;
	setvbuf(stdout, NULL, _IONBF, 0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		fail("no_new_privs");
	clock_gettime(CLOCK_MONOTONIC, &from);
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, strtol(argv[2], NULL, 0), &program) < 0)
		fail("seccomp");
	clock_gettime(CLOCK_MONOTONIC, &to);
	printf("%ld\n", (to.tv_sec - from.tv_sec) * 1000000000L + to.tv_nsec - from.tv_nsec);
	for (int i = 3; i < argc; i++)
		printf("%ld\n", make_call(argv[i]));
	return 0;
}
