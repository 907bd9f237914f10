/** The flags about rights: --cap-add, --cap-drop, --security-opt, --privileged. */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { useTsrun } from '../support/tsrun.ts';

const tsrun = useTsrun({ images: ['busybox'] });
const run = (flags: readonly string[], script: string) =>
  tsrun.run('run', '--rm', ...flags, 'busybox', 'sh', '-c', script);
const inside = async (flags: readonly string[], script: string) => {
  const { code, stdout, stderr } = await run(flags, script);
  if (code !== 0) throw new Error(`status ${code}\n${stderr}`);
  return stdout;
};
const refused = (message: string, hint: string) => ({
  code: 125,
  stdout: '',
  stderr: `tsrun: ${message}\nhint: ${hint}\n`,
});
const HOST_BOUNDING = /^CapBnd:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '';
/** Bits of linux/capability.h. */
const NET_RAW = 1n << 13n;
const DEFAULT = 0xa80425fbn;

describe('--cap-add and --cap-drop', () => {
  const effective = async (...flags: string[]) => {
    const caps = await inside(flags, 'grep -E "Cap(Prm|Eff|Bnd)" /proc/self/status | cut -f2 | sort -u');
    expect(caps).toMatch(/^[0-9a-f]{16}\n$/); // the three sets are one
    return BigInt(`0x${caps.trim()}`);
  };

  test('add and drop by name, with or without CAP_, in any case, and as ALL', async () => {
    expect(await effective('--cap-drop', 'net_raw')).toBe(DEFAULT & ~NET_RAW);
    expect(await effective('--cap-drop', 'ALL')).toBe(0n);
    expect(await effective('--cap-drop', 'all', '--cap-add', 'CAP_NET_RAW')).toBe(NET_RAW);
    expect(await effective('--cap-add=ALL', '--cap-drop=NET_RAW')).toBe(
      BigInt(`0x${HOST_BOUNDING}`) & ~NET_RAW,
    );
  });

  test('what is dropped is refused by the kernel, what is added works', async () => {
    const script = 'chown 1 /etc/passwd; mount -t tmpfs x /tmp && echo mounted';
    const { stdout, stderr } = await run(['--cap-drop', 'CHOWN', '--cap-add', 'SYS_ADMIN'], script);
    expect(stderr).toBe('chown: /etc/passwd: Operation not permitted\n');
    expect(stdout).toBe('mounted\n');
  });

  test('refuse a name that is none', async () => {
    expect(await run(['--cap-add', 'NET_ROW'], 'true')).toEqual(
      refused('There is no capability "NET_ROW"', 'did you mean CAP_NET_RAW? capabilities(7) lists them all'),
    );
    expect((await run(['--cap-drop', 'NET_ROW'], 'true')).code).toBe(125);
  });
});

describe('--security-opt', () => {
  test('seccomp=unconfined takes the filter away', async () => {
    const script = 'grep -E "^Seccomp:" /proc/self/status | cut -f2; unshare -U true && echo made';
    expect((await run(['--security-opt', 'seccomp=unconfined'], script)).stdout).toMatch(/^0\n/);
    expect((await run([], script)).stdout).toBe('2\n');
  });

  test('seccomp=FILE is the profile of the user: what it forbids fails with the errno it names', async () => {
    const profile = join(tsrun.scratch, 'no-mkdir.json');
    const rules = [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 28 }];
    writeFileSync(profile, JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: rules }));
    const script = 'mkdir /x; touch /y && echo touched; grep -E "^Seccomp:" /proc/self/status | cut -f2';
    const { stdout, stderr } = await run(['--security-opt', `seccomp=${profile}`], script);
    expect(stderr).toBe("mkdir: can't create directory '/x': No space left on device\n");
    expect(stdout).toBe('touched\n2\n');
  });

  test('refuses a profile that is missing, no JSON, or no profile', async () => {
    expect(await run(['--security-opt', 'seccomp=/nope'], 'true')).toEqual(
      refused('Cannot read the seccomp profile /nope: it does not exist', 'correct the path after seccomp='),
    );
    const profile = join(tsrun.scratch, 'broken.json');
    for (const text of ['{"defaultAction":', '[]', '{"defaultAction":"SCMP_ACT_NOPE"}']) {
      writeFileSync(profile, text);
      const { code, stdout, stderr } = await run(['--security-opt', `seccomp=${profile}`], 'true');
      expect({ code, stdout }).toEqual({ code: 125, stdout: '' });
      expect(stderr).toMatch(/^tsrun: Cannot use the seccomp profile \/\S*broken\.json: .+\n(hint: .*\n)?$/);
    }
  });

  test('no-new-privileges sets the flag, and the filter stays', async () => {
    const script = 'grep -E "^(NoNewPrivs|Seccomp:)" /proc/self/status | cut -f2';
    for (const option of ['no-new-privileges', 'no-new-privileges:true', 'no-new-privileges=true'])
      expect(await inside(['--security-opt', option], script)).toBe('1\n2\n');
    expect(await inside(['--security-opt', 'no-new-privileges=false'], script)).toBe('0\n2\n');
  });

  test.each(['nope', 'seccomp', 'seccomp=', 'no-new-privileges=maybe'])('refuses %s', async (option) => {
    expect(await run(['--security-opt', option], 'true')).toEqual(
      refused(
        `unknown security option ${JSON.stringify(option)}: there are seccomp=unconfined, seccomp=FILE and no-new-privileges`,
        "see 'tsrun run --help'",
      ),
    );
  });
});

test("--privileged has the host's capabilities and devices, nothing masked, no filter, and can mount", async () => {
  const script = `
grep -E "Cap(Bnd|Eff)" /proc/self/status | cut -f2; grep -E "^Seccomp:" /proc/self/status | cut -f2
grep -cE " /proc/[a-z]" /proc/mounts; mount -t tmpfs x /tmp && echo mounted
test -c /dev/kmsg && head -c 0 /dev/kmsg && echo kmsg; [ -w /proc/sys/kernel/core_pattern ] && echo writable
mkdir /sys/fs/cgroup/x && rmdir /sys/fs/cgroup/x && echo cgroup; stat -c %t:%T:%a /dev/kmsg`;
  const { stdout, stderr } = await run(['--privileged'], script);
  expect(stderr).toBe('');
  const kmsg = (statSync('/dev/kmsg').mode & 0o777).toString(8);
  expect(stdout).toBe(
    `${HOST_BOUNDING}\n${HOST_BOUNDING}\n0\n0\nmounted\nkmsg\nwritable\ncgroup\n1:b:${kmsg}\n`,
  );
});
