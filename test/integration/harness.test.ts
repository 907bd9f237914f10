/** The harness has to see what it is there for: each kind of leftover is made on purpose, seen, and removed. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readlinkSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, test } from 'vitest';
import { type Marks, readHostState } from '../support/host-state.ts';
import { ip, MACHINE_NETWORK } from '../support/network-host.ts';
import { openTerminal, useTsrun } from '../support/tsrun.ts';

const tsrun = useTsrun({ images: 'own' });
const marks: Marks = {
  directory: inject('testDirectory'),
  environment: `TSRUN_TEST_ID=${process.env.TSRUN_TEST_ID}`,
  alone: false,
};

/** What is new on the host while `make` holds, without what others make meanwhile. */
function newWhile(make: () => void, undo: () => void): string {
  const before = readHostState(marks);
  make();
  try {
    return [...readHostState(marks)].filter((line) => !before.has(line)).join('\n');
  } finally {
    undo();
  }
}

describe('the harness sees', () => {
  test('a mount below the data root', () => {
    const target = join(tsrun.dataRoot, 'containers/a/merged');
    const mount = () => {
      mkdirSync(target, { recursive: true });
      execFileSync('mount', ['-t', 'tmpfs', 'left-behind', target]);
    };
    const undo = () => {
      execFileSync('umount', [target]);
      rmSync(join(tsrun.dataRoot, 'containers'), { recursive: true });
    };
    expect(newWhile(mount, undo)).toContain('tmpfs left-behind');
  });

  test('a cgroup named by tsrun', () => {
    const root = existsSync('/sys/fs/cgroup/pids') ? '/sys/fs/cgroup/pids' : '/sys/fs/cgroup';
    const cgroup = join(root, 'tsrun-harness');
    expect(
      newWhile(
        () => mkdirSync(cgroup),
        () => rmdirSync(cgroup),
      ),
    ).toBe(`cgroup ${cgroup}`);
  });

  test('a network link of tsrun', () => {
    const make = () => execFileSync('ip', ['link', 'add', 'tsr-a', 'type', 'veth', 'peer', 'name', 'tsr-b']);
    const undo = () => execFileSync('ip', ['link', 'del', 'tsr-a']);
    expect(newWhile(make, undo)).toBe('link tsr-a\nlink tsr-b');
  });

  test("an address, a route and an element of a set, each in a network namespace that is not the machine's", () => {
    expect(readlinkSync('/proc/self/ns/net')).not.toBe(readlinkSync(MACHINE_NETWORK));
    const make = () => {
      ip('link', 'add', 'tsr-a', 'up', 'type', 'bridge');
      ip('address', 'add', '192.0.2.1/24', 'dev', 'tsr-a');
      ip('route', 'add', '198.51.100.0/24', 'via', '192.0.2.2');
      const rules =
        'add table inet tsrun; add set inet tsrun s { type ipv4_addr; elements = { 192.0.2.3 }; }';
      execFileSync('nft', [rules]);
    };
    const undo = () => {
      ip('link', 'del', 'tsr-a');
      execFileSync('nft', ['delete table inet tsrun']);
    };
    expect(newWhile(make, undo).split('\n')).toEqual([
      'link tsr-a',
      'address 192.0.2.1 on tsr-a',
      'route 198.51.100.0/24 on tsr-a',
      'nft tsrun s "192.0.2.3"',
    ]);
  });

  test('a named network namespace', () => {
    const make = () => execFileSync('ip', ['netns', 'add', 'tsr-harness']);
    const undo = () => execFileSync('ip', ['netns', 'del', 'tsr-harness']);
    expect(newWhile(make, undo)).toContain('named network namespace tsr-harness');
  });

  test('a file in a data root, and a temporary name in the store, but not a blob', () => {
    const files = ['containers/a/config.json', 'blobs/sha256/.tmp-1', 'blobs/sha256/00'].map((name) =>
      join(tsrun.dataRoot, name),
    );
    const make = () => {
      for (const file of files) {
        mkdirSync(join(file, '..'), { recursive: true });
        writeFileSync(file, '');
      }
    };
    const undo = () => {
      for (const name of ['containers', 'blobs']) rmSync(join(tsrun.dataRoot, name), { recursive: true });
    };
    expect(newWhile(make, undo)).toBe(`file ${files[1]}\nfile ${files[0]}`);
  });

  test('a process that has outlived its parent, and the namespaces it holds', async () => {
    const before = readHostState(marks);
    const child = spawn('unshare', ['--uts', '--mount', 'sh', '-c', 'echo started; exec sleep 60'], {
      detached: true,
    });
    await once(child.stdout, 'data'); // what has said so may still be the shell
    const left = [...readHostState(marks)].filter((line) => !before.has(line)).join('\n');
    await end(child);
    expect(left).toMatch(/^process \d+ .*sleep 60$/m);
    expect(left).toMatch(/^namespace uts:/m);
    expect(left).toMatch(/^namespace mnt:/m);
  });
});

describe('a terminal of the harness', () => {
  test('is one, has the size asked for, and can be resized', async () => {
    const terminal = openTerminal({ rows: 10, columns: 20 }, ['sh'], process.env);
    terminal.type('stty size\n');
    await terminal.waitFor(/10 20/);
    terminal.resize(30, 40);
    terminal.type('tty && stty size\n');
    expect(await terminal.waitFor(/30 40/)).toContain('/dev/pts/');
    terminal.type('exit 7\n');
    expect((await terminal.finished).code).toBe(7);
  });

  test('fails a wait for what never comes', async () => {
    const terminal = openTerminal({ rows: 10, columns: 20 }, ['true'], process.env);
    await expect(terminal.waitFor(/never/)).rejects.toThrow('ended without /never/');
  });
});

async function end(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}
