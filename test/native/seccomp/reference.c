/*
 * The reference for our seccomp compiler: builds a filter with libseccomp from lines on stdin and writes its BPF to
 * stdout, or (with the argument "resolve") prints libseccomp's number of each "ARCH NAME" line. Lines of a filter:
 *
 *   default ACTION
 *   arch TOKEN            an architecture beside those already there
 *   without TOKEN         removes one (the machine's own is there from the start)
 *   rule ACTION NAME COUNT { INDEX OP VALUE VALUE2 }
 *
 * Numbers are decimal, with the values of <seccomp.h>.
 */
#include <errno.h>
#include <inttypes.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(const char *tried, int error)
{
	fprintf(stderr, "%s: %s\n", tried, strerror(error));
	exit(1);
}

static int resolve(void)
{
	uint32_t arch;
	char name[128];
	while (scanf("%" SCNu32 " %127s", &arch, name) == 2)
		printf("%d\n", seccomp_syscall_resolve_name_arch(arch, name));
	return 0;
}

static void add_rule(scmp_filter_ctx filter)
{
	uint32_t action;
	char name[128];
	unsigned count;
	struct scmp_arg_cmp args[6];
	if (scanf("%" SCNu32 " %127s %u", &action, name, &count) != 3 || count > 6)
		fail("rule", EINVAL);
	for (unsigned i = 0; i < count; i++) {
		unsigned op;
		if (scanf("%u %u %" SCNu64 " %" SCNu64, &args[i].arg, &op, &args[i].datum_a, &args[i].datum_b) != 4)
			fail("condition", EINVAL);
		args[i].op = (enum scmp_compare)op;
	}
	int number = seccomp_syscall_resolve_name(name);
	if (number == __NR_SCMP_ERROR)
		return;
	int result = seccomp_rule_add_array(filter, action, number, count, args);
	if (result < 0 && result != -EEXIST)
		fail(name, -result);
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "resolve") == 0)
		return resolve();

	char word[16];
	uint32_t number;
	if (scanf("%15s %" SCNu32, word, &number) != 2 || strcmp(word, "default") != 0)
		fail("default", EINVAL);
	scmp_filter_ctx filter = seccomp_init(number);
	if (filter == NULL)
		fail("seccomp_init", EINVAL);
	/* 2 is a binary tree, as runc asks for with long profiles. */
	int result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (result < 0)
		fail("optimize", -result);
	while (scanf("%15s", word) == 1) {
		if (strcmp(word, "rule") == 0) {
			add_rule(filter);
			continue;
		}
		if (scanf("%" SCNu32, &number) != 1)
			fail(word, EINVAL);
		result = strcmp(word, "arch") == 0 ? seccomp_arch_add(filter, number) : seccomp_arch_remove(filter, number);
		if (result < 0 && result != -EEXIST)
			fail(word, -result);
	}
	result = seccomp_export_bpf(filter, 1);
	if (result < 0)
		fail("seccomp_export_bpf", -result);
	seccomp_release(filter);
	return 0;
}
