/** The life of a container under `tsrun-oci`, as an engine steers it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { useOci } from '../support/oci.ts';
import { OCI_PROGRAM } from '../support/under-test.ts';

const oci = useOci();

/** Where cgroups may be: the mount of v2, or the hierarchies below. */
const CGROUP_ROOTS = [
  '/sys/fs/cgroup',
  ...readdirSync('/sys/fs/cgroup').map((name) => `/sys/fs/cgroup/${name}`),
];

/** Polls: nothing tells when a container that nobody waits for has ended. */
async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    if (tries > 500) throw new Error('it did not happen in 10 s');
    await setTimeout(20);
  }
}

function create(id: string, changes: Parameters<typeof oci.bundle>[0], ...flags: string[]) {
  const log = join(oci.scratch, `${id}.log`);
  const args = ['--log', log, '--log-format', 'json', 'create', '-b', oci.bundle(changes), ...flags, id];
  const { code } = oci.runWith({ stdio: 'ignore' }, ...args);
  return { code, log };
}

describe('create and start', () => {
  test('the program does not run before the start', async () => {
    const out = join(oci.scratch, 'out');
    const pidFile = join(oci.scratch, 'pid');
    const fd = openSync(out, 'w');
    const bundle = oci.bundle({ args: ['sh', '-c', 'echo started; exec sleep 100'] });
    oci.runWith({ stdio: ['ignore', fd, fd] }, 'create', '-b', bundle, '--pid-file', pidFile, 'a1');
    expect(oci.status('a1')).toBe('created');
    expect(Number(readFileSync(pidFile, 'utf8'))).toBe(oci.pid('a1'));
    await setTimeout(100);
    expect(readFileSync(out, 'utf8')).toBe('');

    oci.ok('start', 'a1');
    await until(() => readFileSync(out, 'utf8') === 'started\n');
    expect(oci.status('a1')).toBe('running');
    expect(oci.run('start', 'a1')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('already running'),
    });
    expect(oci.run('delete', 'a1')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('is not stopped: running'),
    });

    oci.ok('kill', 'a1', 'KILL');
    await until(() => oci.status('a1') === 'stopped');
    expect(oci.pid('a1')).toBe(0);
    expect(oci.run('kill', 'a1')).toMatchObject({ code: 1, stderr: expect.stringContaining('not running') });
    oci.ok('delete', 'a1');
    expect(oci.run('state', 'a1')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('does not exist'),
    });
  });

  test('an id is used once, and is a name of a directory', () => {
    expect(create('b1', { args: ['sleep', '100'] }).code).toBe(0);
    const { code, log } = create('b1', { args: ['true'] });
    expect(code).toBe(1);
    expect(JSON.parse(readFileSync(log, 'utf8').trim())).toMatchObject({
      level: 'error',
      msg: expect.stringContaining('container with given ID already exists'),
    });
    expect(oci.status('b1')).toBe('created');
    oci.ok('delete', '-f', 'b1');
    for (const id of ['../x', 'a/b', '..', 'a b']) {
      expect(oci.run('create', '-b', oci.bundle({}), id)).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('invalid container ID format'),
      });
    }
  });

  test('a program that is missing is heard of at the creation, and leaves nothing', () => {
    const { code, log } = create('c1', { args: ['nope'] });
    expect(code).toBe(1);
    expect(JSON.parse(readFileSync(log, 'utf8').trim())).toMatchObject({
      level: 'error',
      msg: 'tsrun-oci create failed: unable to start container process: exec: "nope": executable file not found in $PATH',
      hint: 'the image has no such program; name another one, or give its full path',
    });
    expect(existsSync(join(oci.root, 'c1'))).toBe(false);
  });

  describe('a working directory', () => {
    const changes = (mode: number, owner: number) => {
      const place = mkdtempSync(join(oci.scratch, 'place-'));
      chmodSync(place, mode);
      chownSync(place, owner, 70_000); // a group that the user namespace has not: root there has no rights over it
      const ids = [{ containerID: 0, hostID: 0, size: 65_536 }];
      const namespaces = ['pid', 'mount', 'user', 'ipc', 'uts'].map((type) => ({ type }));
      return {
        args: ['pwd'],
        config: {
          mounts: [
            { destination: '/proc', type: 'proc', source: 'proc' },
            { destination: '/dev', type: 'tmpfs', source: 'tmpfs' },
            { destination: '/tmp', type: 'bind', source: place, options: ['bind'] },
          ],
        },
        linux: { namespaces, uidMappings: ids, gidMappings: ids, maskedPaths: [], readonlyPaths: [] },
        process: { user: { uid: 1000, gid: 1000 }, cwd: '/tmp' },
      };
    };

    test('that only the user may enter is entered by the user', () => {
      expect(oci.ok('run', '-b', oci.bundle(changes(0o700, 1000)), 'd1')).toBe('/tmp\n');
    });

    test('that neither root nor the user may enter is heard of at the start', () => {
      expect(create('d2', changes(0o700, 5)).code).toBe(0);
      expect(oci.run('start', 'd2')).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('may not enter /tmp'),
      });
      expect(oci.status('d2')).toBe('stopped');
      oci.ok('delete', 'd2');
    });
  });

  test('exec enters as root too, and no descriptor of its own', () => {
    const tmpfs = { destination: '/tmp', type: 'tmpfs', source: 'tmpfs', options: ['mode=700'] };
    const proc = { destination: '/proc', type: 'proc', source: 'proc' };
    const dev = { destination: '/dev', type: 'tmpfs', source: 'tmpfs' };
    const linux = { maskedPaths: [], readonlyPaths: [] };
    const bundle = oci.bundle({ args: ['sleep', '100'], config: { mounts: [proc, dev, tmpfs] }, linux });
    oci.runWith({ stdio: 'ignore' }, 'run', '-d', '-b', bundle, 'd3');
    expect(oci.ok('exec', '--user', '1000', '--cwd', '/tmp', 'd3', 'pwd')).toBe('/tmp\n');
    for (const fd of [3, 4, 5, 6, 7, 8, 9]) {
      const { code, stdout } = oci.run('exec', '--cwd', `/proc/self/fd/${fd}`, 'd3', 'pwd');
      expect({ code, stdout }, `descriptor ${fd}`).toEqual({ code: 255, stdout: '' });
    }
    oci.ok('delete', '-f', 'd3');
  });

  test('what a container is made of is on record: a later change of the bundle means nothing', () => {
    const bundle = oci.bundle({
      args: ['sh', '-c', 'exit 0'],
      config: { annotations: { 'org.example.a': 'b' } },
    });
    oci.runWith({ stdio: 'ignore' }, 'create', '-b', bundle, 'e1');
    writeFileSync(join(bundle, 'config.json'), '{}');
    expect(JSON.parse(oci.ok('state', 'e1'))).toMatchObject({
      ociVersion: '1.3.0',
      id: 'e1',
      bundle,
      annotations: { 'org.example.a': 'b' },
    });
    oci.ok('start', 'e1');
    oci.ok('delete', '-f', 'e1');
  });

  test('a terminal without a console socket is refused', () => {
    const { log } = create('f1', { args: ['sh'], process: { terminal: true } });
    expect(readFileSync(log, 'utf8')).toContain('cannot allocate tty');
  });

  test('delete -f of a container that is not there is no error', () => {
    oci.ok('delete', '--force', 'nobody');
    expect(oci.run('delete', 'nobody').code).toBe(1);
  });
});

describe('run', () => {
  test('passes on streams and the exit status, and leaves nothing', () => {
    const bundle = oci.bundle({ args: ['sh', '-c', 'cat; echo err >&2; exit 7'] });
    expect(oci.runWith({ input: 'typed' }, 'run', '-b', bundle, 'g1')).toEqual({
      code: 7,
      stdout: 'typed',
      stderr: 'err\n',
    });
    expect(existsSync(join(oci.root, 'g1'))).toBe(false);
  });

  test('a cgroup that is frozen already is refused', () => {
    const v2 = CGROUP_ROOTS.find((root) => existsSync(`${root}/cgroup.subtree_control`));
    const cold = `${v2}/tsrun-cold`;
    mkdirSync(cold);
    writeFileSync(`${cold}/cgroup.freeze`, '1');
    const bundle = oci.bundle({ args: ['true'], linux: { cgroupsPath: '/tsrun-cold' } });
    const { code, stderr } = oci.run('run', '-b', bundle, 'r4');
    rmdirSync(cold);
    expect([code, stderr]).toEqual([1, expect.stringContaining("container's cgroup unexpectedly frozen")]);
    expect(existsSync(join(oci.root, 'r4'))).toBe(false);
  });

  test('--keep leaves the cgroups too, until the container is deleted', () => {
    oci.ok(
      'run',
      '--keep',
      '-b',
      oci.bundle({ args: ['true'], linux: { cgroupsPath: '/tsrun-kept/r3' } }),
      'r3',
    );
    const left = () => CGROUP_ROOTS.filter((root) => existsSync(`${root}/tsrun-kept/r3`));
    expect(left()).not.toEqual([]);
    oci.ok('delete', 'r3');
    expect(left()).toEqual([]);
    for (const root of CGROUP_ROOTS) if (existsSync(`${root}/tsrun-kept`)) rmdirSync(`${root}/tsrun-kept`);
  });

  test('--keep leaves a stopped container', () => {
    oci.ok('run', '--keep', '-b', oci.bundle({ args: ['true'] }), 'h1');
    expect(oci.status('h1')).toBe('stopped');
    oci.ok('delete', 'h1');
  });

  test('--preserve-fds passes on the descriptors from 3 on, and no other', () => {
    const bundle = oci.bundle({ args: ['sh', '-c', 'cat <&3; ls /proc/self/fd | grep -c .'] });
    const file = join(oci.scratch, 'passed');
    writeFileSync(file, 'hello\n');
    const stdio = ['ignore', 'pipe', 'pipe', openSync(file, 'r')] as const;
    expect(oci.runWith({ stdio: [...stdio] }, 'run', '-b', bundle, '--preserve-fds', '1', 'i1').stdout).toBe(
      'hello\n5\n',
    );
    expect(oci.run('run', '-b', bundle, '--preserve-fds', '1', 'i2').stderr).toContain(
      'descriptor 3: it is not open',
    );
  });
});

describe('exec', () => {
  const sleeping = (id: string) => {
    oci.runWith({ stdio: 'ignore' }, 'run', '-d', '-b', oci.bundle({ args: ['sleep', '100'] }), id);
    return id;
  };

  test('joins the container', () => {
    const id = sleeping('j1');
    const script = 'readlink /proc/self/ns/pid; exit 3';
    expect(oci.run('exec', id, 'sh', '-c', script)).toEqual({
      code: 3,
      stdout: `${readlinkSync(`/proc/${oci.pid(id)}/ns/pid`)}\n`,
      stderr: '',
    });
    expect(oci.ok('ps', '-f', 'json', id)).toBe(`[${oci.pid(id)}]\n`);
    oci.ok('delete', '-f', id);
    expect(oci.run('exec', id, 'true').code).toBe(255);
  });

  test('as another user, elsewhere, with more rights, none of them inheritable', () => {
    const id = sleeping('j2');
    const script =
      'id -u; id -g; grep Groups /proc/self/status; pwd; echo $A; grep -E "Cap(Inh|Amb)" /proc/self/status';
    const flags = ['-u', '1000:1001', '-g', '7', '--cwd', '/tmp', '-e', 'A=b', '--cap', 'CAP_SYS_TIME'];
    expect(oci.ok('exec', ...flags, id, 'sh', '-c', script)).toBe(
      '1000\n1001\nGroups:\t7 \n/tmp\nb\nCapInh:\t0000000000000000\nCapAmb:\t0000000000000000\n',
    );
    oci.ok('delete', '-f', id);
  });

  test('finds the home directory of its user, and the last value of a variable counts', () => {
    const root = oci.rootfs();
    writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0::/root:\nann:x:1000:1000::/home/ann:\n');
    const config = { root: { path: root } };
    const process = { env: ['PATH=/nowhere', 'A=1', 'PATH=/bin', 'A=2'] };
    oci.runWith(
      { stdio: 'ignore' },
      'run',
      '-d',
      '-b',
      oci.bundle({ args: ['sleep', '100'], config, process }),
      'j7',
    );
    expect(oci.ok('exec', '--user', '1000', '-e', 'A=3', 'j7', 'env')).toBe(
      'PATH=/bin\nA=3\nHOME=/home/ann\n',
    );
    expect(oci.ok('exec', '-e', 'HOME=/x', 'j7', 'env')).toContain('HOME=/x\n');
    oci.ok('delete', '-f', 'j7');
  });

  test('--cgroup names one below that of the container, which is there', () => {
    const id = sleeping('j4');
    const said = (path: string) => oci.run('exec', '--cgroup', path, id, 'true');
    expect(said('..')).toMatchObject({
      code: 255,
      stderr: expect.stringContaining(' .. is not a sub cgroup path'),
    });
    expect(said('nothing')).toMatchObject({
      code: 255,
      stderr: expect.stringMatching(/ adding pid .*\/nothing\/cgroup.procs: no such file /),
    });
    expect(said('whatever:/').stderr).toContain('unknown controller whatever');
    expect(said('/')).toMatchObject({ code: 0, stderr: '' });
    oci.ok('delete', '-f', id);
  });

  test('a first process that has moved below its cgroup leaves the others where they were', () => {
    const id = sleeping('j7');
    const file = `/proc/${oci.pid(id)}/cgroup`;
    const own = () => /^0::(.*)$/m.exec(readFileSync(file, 'utf8'))?.[1] ?? '';
    const path = own();
    const [mount = ''] = ['/sys/fs/cgroup/unified', '/sys/fs/cgroup'].filter((one) => existsSync(one));
    const below = join(mount, path, 'below');
    mkdirSync(below);
    writeFileSync(join(below, 'cgroup.procs'), `${oci.pid(id)}`);
    expect(own()).toBe(`${path}/below`);
    const procs = (...flags: string[]) => oci.ok('exec', ...flags, id, 'grep', '^0:', '/proc/self/cgroup');
    expect([procs(), procs('--cgroup', 'below')]).toEqual([`0::${path}\n`, `0::${path}/below\n`]);

    const control = join(mount, path, 'cgroup.subtree_control');
    // A hybrid host has no controller to hand down.
    if (readFileSync(join(mount, path, 'cgroup.controllers'), 'utf8').includes('memory')) {
      writeFileSync(control, '+memory');
      expect([procs(), procs('--cgroup', 'below')]).toEqual([`0::${path}/below\n`, `0::${path}/below\n`]);
      expect(oci.run('exec', '--cgroup', '/', id, 'true')).toMatchObject({
        code: 255,
        stderr: expect.stringMatching(/ adding pid .*\/cgroup.procs: device or resource busy/),
      });
    }
    oci.ok('delete', '-f', id);
  });

  // The one who makes the process is then in the PID namespace itself, where other numbers count.
  test('joins a user namespace too, and it is the new process that goes into the cgroups', () => {
    const ids = [{ containerID: 0, hostID: 0, size: 65536 }];
    const linux = {
      namespaces: ['pid', 'ipc', 'uts', 'mount', 'network', 'user'].map((type) => ({ type })),
      uidMappings: ids,
      gidMappings: ids,
      cgroupsPath: '/tsrun-j6',
    };
    const bundle = oci.bundle({ args: ['sleep', '100'], linux });
    expect(oci.runWith({ stdio: 'ignore' }, 'run', '-d', '-b', bundle, 'j6').code).toBe(0);
    expect(oci.ok('exec', 'j6', 'cat', '/proc/self/cgroup')).toContain('/tsrun-j6');
    oci.ok('delete', '-f', 'j6');
  });

  test('kill -a ID 0 only asks', () => {
    const id = sleeping('j5');
    expect([oci.ok('kill', id, '0'), oci.ok('kill', '-a', id, '0')]).toEqual(['', '']);
    expect(oci.status(id)).toBe('running');
    oci.ok('delete', '-f', id);
  });

  test('what cannot be is refused with 255', () => {
    const id = sleeping('j3');
    const refused = (stderr: string) => ({ code: 255, stderr: expect.stringContaining(stderr) });
    const log = join(oci.scratch, 'exec.log');
    expect(oci.run('--log', log, '--log-format', 'json', 'exec', id, 'nope')).toMatchObject(
      refused('executable file not found in $PATH (the image has no such program'),
    );
    expect(JSON.parse(readFileSync(log, 'utf8')).msg).toBe(
      'exec failed: unable to start container process: exec: "nope": executable file not found in $PATH',
    );
    expect(oci.run('exec', '--cgroup', '../..', id, 'true')).toMatchObject(
      refused('.. is not a sub cgroup path'),
    );
    for (const user of ['-1', '4294967295', '1e9', '0x0'])
      expect(oci.run('exec', '-u', user, id, 'true')).toMatchObject(refused('is no id'));
    oci.ok('delete', '-f', id);
  });

  test('a paused container takes no program, and goes on when it is resumed', () => {
    oci.runWith({ stdio: 'ignore' }, 'run', '-d', '-b', oci.bundle({ args: ['sleep', '100'] }), 'k1');
    oci.ok('pause', 'k1');
    expect(oci.status('k1')).toBe('paused');
    expect(oci.run('exec', 'k1', 'true').stderr).toContain('cannot exec in a paused container');
    oci.ok('resume', 'k1');
    expect(oci.status('k1')).toBe('running');
    oci.ok('exec', 'k1', 'true');
    oci.ok('pause', 'k1');
    oci.ok('delete', '-f', 'k1');
  });
});

test('a bundle without a mount on /dev can be run again', () => {
  const proc = { destination: '/proc', type: 'proc', source: 'proc' };
  const path = oci.rootfs();
  const linux = { maskedPaths: [], readonlyPaths: [] };
  const bundle = oci.bundle({ args: ['true'], config: { root: { path }, mounts: [proc] }, linux });
  oci.ok('run', '-b', bundle, 'a1');
  oci.ok('run', '-b', bundle, 'a2');
  writeFileSync(join(path, 'dev/other'), '');
  renameSync(join(path, 'dev/other'), join(path, 'dev/null'));
  expect(oci.run('run', '-b', bundle, 'a3')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('null'),
  });
});

test('a container in the cgroup of another leaves it and its processes as they are', () => {
  const linux = { cgroupsPath: '/tsrun-shared' };
  const bundle = (args: readonly string[]) => oci.bundle({ args, linux });
  expect(oci.runWith({ stdio: 'ignore' }, 'run', '-d', '-b', bundle(['sleep', '100']), 's1').code).toBe(0);
  const second = oci.runWith({}, 'run', '-b', bundle(['cat', '/proc/self/cgroup']), 's2');
  expect(second.stderr).toMatch(/level=warning.*container's cgroup is not empty: 1 process/);
  expect(second.stdout).toContain('/tsrun-shared\n');
  expect(oci.runWith({ stdio: 'ignore' }, 'run', '-d', '-b', bundle(['sleep', '100']), 's3').code).toBe(0);
  expect(oci.runWith({ stdio: 'ignore' }, 'create', '-b', bundle(['nope']), 's4').code).toBe(1);
  oci.ok('delete', '-f', 's3');
  expect(oci.status('s1')).toBe('running');
  oci.ok('delete', '-f', 's1');
  expect(CGROUP_ROOTS.filter((root) => existsSync(join(root, 'tsrun-shared')))).toEqual([]);
});

describe('a container without a mount namespace', () => {
  const namespaces = ['pid', 'ipc', 'uts', 'network'].map((type) => ({ type }));
  const mountsBelow = (path: string) =>
    readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .map((line) => line.split(' ')[4] ?? '')
      .filter((place) => place === path || place.startsWith(`${path}/`));

  test('has its mounts among those of the host, until it is deleted', () => {
    const path = oci.rootfs();
    const shown = join(oci.scratch, 'shown');
    mkdirSync(join(shown, 'below'), { recursive: true });
    const mounts = [
      { destination: '/proc', type: 'proc', source: 'proc' },
      { destination: '/tmp/shown', type: 'bind', source: shown, options: ['bind'] },
      { destination: '/tmp/shown/below', type: 'tmpfs', source: 'tmpfs' },
    ];
    mkdirSync(join(path, 'tmp/shown'));
    const bundle = oci.bundle({
      args: ['sleep', '100'],
      config: { root: { path, readonly: true }, mounts },
      linux: { namespaces, maskedPaths: [], readonlyPaths: [] },
    });
    expect(oci.runWith({ stdio: 'ignore' }, 'run', '-d', '-b', bundle, 'n1').code).toBe(0);
    const own = (pid: number | 'self') => readlinkSync(`/proc/${pid}/ns/mnt`);
    expect(own(oci.pid('n1'))).toBe(own('self'));
    expect(mountsBelow(path).toSorted()).toEqual([
      path,
      ...['proc', 'tmp/shown', 'tmp/shown/below'].map((one) => join(path, one)),
    ]);
    // Not in what they lie on.
    expect(mountsBelow(shown)).toEqual([]);
    const script = 'ls /; ls /proc/1/exe; touch /x';
    const { stdout, stderr } = oci.run('exec', 'n1', 'sh', '-c', script);
    expect(stdout).toBe('bin\ndev\netc\nproc\nsys\ntmp\n/proc/1/exe\n');
    expect(stderr).toContain('Read-only file system');
    oci.ok('delete', '-f', 'n1');
    expect(mountsBelow(path)).toEqual([]);
  });

  test('leaves none when it cannot be created, or has ended', () => {
    const path = oci.rootfs();
    const change = (args: readonly string[]) => ({
      args,
      config: { root: { path } },
      linux: { namespaces },
    });
    const created = oci.runWith({ stdio: 'ignore' }, 'create', '-b', oci.bundle(change(['nope'])), 'n2');
    expect([created.code, mountsBelow(path)]).toEqual([1, []]);
    oci.ok('run', '-b', oci.bundle(change(['true'])), 'n3');
    expect(mountsBelow(path)).toEqual([]);
  });
});

describe('hooks', () => {
  const hook = (file: string, script = 'true') => [
    { path: '/bin/sh', args: ['sh', '-c', `(cat; echo) >>${file}; ${script}`], env: ['PATH=/bin:/usr/bin'] },
  ];

  test('are run in their order, with the state on their standard input', () => {
    const log = join(oci.scratch, 'hooks');
    const kinds = ['prestart', 'createRuntime', 'createContainer', 'poststart', 'poststop'];
    const hooks = Object.fromEntries(kinds.map((kind) => [kind, hook(log)]));
    oci.runWith(
      { stdio: 'ignore' },
      'create',
      '-b',
      oci.bundle({ args: ['sleep', '100'], config: { hooks } }),
      'l1',
    );
    const pid = oci.pid('l1');
    oci.ok('start', 'l1');
    oci.ok('delete', '-f', 'l1');
    const told = readFileSync(log, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(told.map(({ status, pid: of, id }) => [status, of, id])).toEqual([
      ['created', pid, 'l1'],
      ['creating', pid, 'l1'],
      // Inside its PID namespace.
      ['creating', 1, 'l1'],
      ['running', pid, 'l1'],
      ['stopped', 0, 'l1'],
    ]);
  });

  test('a poststart hook that fails is told of, also when the program has ended', () => {
    // The hook waits for the end. The state on its standard input has the number of the program.
    const wait = `pid=\${state#*pid\\":}; until ! grep -qs 'State:.[^ZX]' /proc/\${pid%%,*}/status; do :; done`;
    const poststart = [{ path: '/bin/sh', args: ['sh', '-c', `read state; ${wait}; exit 3`] }];
    const bundle = oci.bundle({ args: ['true'], config: { hooks: { poststart } } });
    oci.runWith({ stdio: 'ignore' }, 'create', '-b', bundle, 'h10');
    expect(oci.run('start', 'h10').stderr).toMatch(/hook .*exit status 3/);
    oci.run('delete', '-f', 'h10');
  });

  test('of createContainer find the root of the container where they are', () => {
    const createContainer = [{ path: '/bin/sh', args: ['sh', '-c', 'test -x ./bin/busybox'] }];
    oci.ok('run', '-b', oci.bundle({ args: ['true'], config: { hooks: { createContainer } } }), 'h9');
  });

  test('of startContainer have the rights of the program, its filter, and none of its runtime', () => {
    const root = oci.rootfs();
    const said = join(root, 'said');
    writeFileSync(said, '');
    chownSync(said, 1000, 1000);
    const script =
      'id -u >/said; pwd >>/said; ls /proc/self/fd >>/said; mkdir /tmp/a || echo refused >>/said';
    const config = {
      root: { path: root },
      hooks: { startContainer: [{ path: '/bin/sh', args: ['sh', '-c', script], env: ['PATH=/bin'] }] },
    };
    const syscalls = [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO' }];
    for (const [id, noNewPrivileges] of [
      ['h7', true],
      ['h8', false],
    ] as const) {
      const process = { user: { uid: 1000, gid: 1000 }, cwd: '/bin', noNewPrivileges };
      const linux = { seccomp: { defaultAction: 'SCMP_ACT_ALLOW', syscalls } };
      oci.ok('run', '-b', oci.bundle({ args: ['true'], config, process, linux }), id);
      // The fourth descriptor is that of the directory ls reads.
      expect(readFileSync(said, 'utf8')).toBe('1000\n/bin\n0\n1\n2\n3\nrefused\n');
    }
  });

  test('one that is killed says by which signal', () => {
    const startContainer = [{ path: '/bin/sh', args: ['sh', '-c', 'kill -SYS $$'] }];
    const made = create('m2', { args: ['true'], config: { hooks: { startContainer } } });
    expect(made.code).toBe(0);
    expect(oci.run('start', 'm2').stderr).toContain('error running hook /bin/sh: signal: bad system call');
    oci.run('delete', '-f', 'm2');
  });

  test('one that fails before the start ends the container, and poststop is told', () => {
    const log = join(oci.scratch, 'poststop');
    const config = {
      hooks: { createRuntime: hook('/dev/null', 'echo broken >&2; exit 3'), poststop: hook(log) },
    };
    const made = create('m1', { args: ['true'], config });
    expect(made.code).toBe(1);
    expect(readFileSync(made.log, 'utf8')).toContain('exit status 3: broken');
    expect(existsSync(join(oci.root, 'm1'))).toBe(false);
    expect(JSON.parse(readFileSync(log, 'utf8'))).toMatchObject({ id: 'm1', status: 'stopped' });
  });

  test('one that takes too long is ended, with what it has started', () => {
    const config = { hooks: { createRuntime: [{ path: '/bin/sleep', args: ['sleep', '100'], timeout: 1 }] } };
    expect(readFileSync(create('n1', { args: ['true'], config }).log, 'utf8')).toContain('timeout');
  });

  test('after the start: the container is destroyed when one fails, and the poststop hooks are run', () => {
    const log = join(oci.scratch, 'o1.json');
    const bundle = oci.bundle({
      args: ['sleep', '100'],
      config: { hooks: { poststart: hook('/dev/null', 'exit 1'), poststop: hook(log) } },
    });
    oci.runWith({ stdio: 'ignore' }, 'create', '-b', bundle, 'o1');
    expect(oci.run('start', 'o1').code).toBe(1);
    expect(existsSync(join(oci.root, 'o1'))).toBe(false);
    expect(JSON.parse(readFileSync(log, 'utf8'))).toMatchObject({ id: 'o1', status: 'stopped' });
    expect(oci.run('run', '-b', bundle, 'o2')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('exit status 1'),
    });
    expect(existsSync(join(oci.root, 'o2'))).toBe(false);
  });
});

test('update changes limits at once; 0 and what this host has not are passed over', () => {
  oci.runWith({ stdio: 'ignore' }, 'run', '-d', '-b', oci.bundle({ args: ['sleep', '100'] }), 'p1');
  oci.ok('update', '--memory', '64m', '--pids-limit', '50', 'p1');
  const sent = {
    memory: { limit: 0, reservation: 0 },
    cpu: { shares: 2048, quota: 0 },
    blockIO: { weight: 0 },
  };
  oci.runWith({ input: JSON.stringify(sent) }, 'update', '-r', '-', 'p1');
  const { data } = JSON.parse(oci.ok('events', '--stats', 'p1'));
  expect(data.memory.usage.limit).toBe(64 * 2 ** 20);
  oci.ok('delete', '-f', 'p1');
});

describe.runIf(existsSync('/sys/fs/cgroup/cpu'))('update in cgroup v1', () => {
  const value = (controller: string, cgroup: string, file: string) =>
    Number(readFileSync(join('/sys/fs/cgroup', controller, cgroup, file), 'utf8'));

  test('takes the limit of swap away with that of memory', () => {
    const cgroupsPath = '/tsrun-p2';
    const linux = { cgroupsPath, resources: { memory: { limit: 2 ** 26, swap: 2 ** 27 } } };
    oci.runWith({ stdio: 'ignore' }, 'run', '-d', '-b', oci.bundle({ args: ['sleep', '100'], linux }), 'p2');
    oci.ok('update', '--memory', '-1', 'p2');
    expect(value('memory', cgroupsPath, 'memory.memsw.limit_in_bytes')).toBeGreaterThan(2 ** 60);
    oci.ok('delete', '-f', 'p2');
  });

  test('lowers the period of a quota below a cgroup that has a limit, and raises it', () => {
    const above = '/sys/fs/cgroup/cpu/tsrun-p3';
    mkdirSync(above);
    writeFileSync(join(above, 'cpu.cfs_quota_us'), '50000'); // half a processor
    const linux = { cgroupsPath: '/tsrun-p3/c', resources: { cpu: { quota: 30_000, period: 100_000 } } };
    oci.runWith({ stdio: 'ignore' }, 'run', '-d', '-b', oci.bundle({ args: ['sleep', '100'], linux }), 'p3');
    for (const period of [10_000, 1_000_000]) {
      oci.ok('update', '--cpu-period', `${period}`, '--cpu-quota', `${period / 2}`, 'p3');
      expect(value('cpu', '/tsrun-p3/c', 'cpu.cfs_period_us')).toBe(period);
      expect(value('cpu', '/tsrun-p3/c', 'cpu.cfs_quota_us')).toBe(period / 2);
    }
    expect(oci.run('update', '--cpu-quota', '600000', 'p3').code).toBe(1);
    oci.ok('delete', '-f', 'p3');
    for (const root of CGROUP_ROOTS)
      if (existsSync(join(root, 'tsrun-p3'))) rmdirSync(join(root, 'tsrun-p3'));
  });
});

test('killed at any moment, create leaves nothing once the container is deleted', async () => {
  for (let round = 0; round < 6; round++) {
    const id = `kill${round}`;
    const child = spawn(
      OCI_PROGRAM,
      ['--root', oci.root, 'create', '-b', oci.bundle({ args: ['sleep', '100'] }), id],
      { stdio: 'ignore' },
    );
    const closed = once(child, 'close'); // it may have ended before it is killed
    await setTimeout(20 + Math.random() * 150);
    child.kill('SIGKILL');
    await closed;
    oci.ok('delete', '-f', id);
    expect(existsSync(join(oci.root, id))).toBe(false);
  }
}, 120_000);
