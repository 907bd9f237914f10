import { expect } from 'vitest';
import type { Change, Seccomp, SeccompRule } from './support/config.ts';
import { error, until } from './support/container.ts';
import { compiler } from './support/host.ts';
import { startPeer } from './support/peer.ts';
import { section } from './support/section.ts';

const clause = section('config-linux.md, Seccomp');
const processState = section('config-linux.md, The Container Process State');

const ALLOW = 'SCMP_ACT_ALLOW';
const ERRNO = 'SCMP_ACT_ERRNO';
const EAGAIN = 11;

const denying = (rule: Partial<SeccompRule>): Seccomp => ({
  defaultAction: ALLOW,
  syscalls: [{ names: ['sethostname'], action: ERRNO, ...rule }],
});

/** `hostname x` is sethostname(2), which needs CAP_SYS_ADMIN: without a filter it is EPERM. */
const SETHOSTNAME = 'hostname x 2>&1';
const SYS_ADMIN = 'CAP_SYS_ADMIN';

function withSeccomp(seccomp: Seccomp): Change {
  return ({ process, linux }) => {
    linux.seccomp = seccomp;
    for (const set of ['bounding', 'effective', 'permitted'] as const)
      process.capabilities[set]?.push(SYS_ADMIN);
  };
}

clause('`action` (string, REQUIRED) - the action for seccomp rules.', 'SCMP_ACT_ERRNO', async (box) => {
  expect(await box.sh(SETHOSTNAME, withSeccomp(denying({ errnoRet: EAGAIN })))).toContain(
    'temporarily unavailable',
  );
});

clause('The default is `EPERM`.', async (box) => {
  expect(await box.sh(SETHOSTNAME, withSeccomp(denying({})))).toContain('not permitted');
});

clause('`action` (string, REQUIRED) - the action for seccomp rules.', 'SCMP_ACT_ALLOW', async (box) => {
  expect(await box.sh(`${SETHOSTNAME}; hostname`, withSeccomp(denying({ action: ALLOW })))).toBe('x\n');
});

for (const action of ['SCMP_ACT_KILL', 'SCMP_ACT_KILL_THREAD', 'SCMP_ACT_KILL_PROCESS', 'SCMP_ACT_TRAP'])
  clause('`action` (string, REQUIRED) - the action for seccomp rules.', action, async (box) => {
    const output = await box.sh('(hostname x); echo $?', withSeccomp(denying({ action })));
    // 128 and SIGSYS, 31 on most architectures.
    expect(output).toMatch(/(^|\n)(159|140)\n$/);
  });

clause('`action` (string, REQUIRED) - the action for seccomp rules.', 'SCMP_ACT_LOG', async (box) => {
  expect(await box.sh(`${SETHOSTNAME}; hostname`, withSeccomp(denying({ action: 'SCMP_ACT_LOG' })))).toBe(
    'x\n',
  );
});

clause(
  '`action` (string, REQUIRED) - the action for seccomp rules.',
  'SCMP_ACT_TRACE without a tracer is ENOSYS',
  async (box) => {
    expect(await box.sh(SETHOSTNAME, withSeccomp(denying({ action: 'SCMP_ACT_TRACE' })))).toContain(
      'not implemented',
    );
  },
);

clause(
  '`defaultAction` (string, REQUIRED) - the default action for seccomp.',
  'what no rule matches',
  async (box) => {
    // Everything is logged, which is allowed, but for one.
    const output = await box.sh(
      `${SETHOSTNAME}; grep Seccomp: /proc/self/status`,
      withSeccomp({ ...denying({}), defaultAction: 'SCMP_ACT_LOG' }),
    );
    expect(output).toContain('not permitted');
    expect(output).toMatch(/Seccomp:\t2\n/);
  },
);

const KILL = (signal: number) => `kill -${signal} 1 2>/dev/null && echo ${signal}`;
const SIGNALS = [10, 12, 17];

/** [op, value, valueTwo, the signals among 10, 12 and 17 that it matches] */
for (const [op, value, valueTwo, matched] of [
  ['SCMP_CMP_EQ', 12, 0, [12]],
  ['SCMP_CMP_NE', 12, 0, [10, 17]],
  ['SCMP_CMP_LT', 12, 0, [10]],
  ['SCMP_CMP_LE', 12, 0, [10, 12]],
  ['SCMP_CMP_GE', 12, 0, [12, 17]],
  ['SCMP_CMP_GT', 12, 0, [17]],
  ['SCMP_CMP_MASKED_EQ', 0b11100, 0b01000, [10]],
] as const)
  clause('`op` (string, REQUIRED) - the operator for syscall arguments in seccomp.', op, async (box) => {
    // To process 1, which ignores what it has no handler for.
    const output = await box.sh(
      SIGNALS.map(KILL).join('; '),
      withSeccomp(denying({ names: ['kill'], args: [{ index: 1, value, valueTwo, op }] })),
    );
    const expected = SIGNALS.filter((signal) => !(matched as readonly number[]).includes(signal));
    expect(output.trim().split('\n').filter(Boolean).map(Number)).toEqual(expected);
  });

clause(
  '`value` (uint64, REQUIRED) - the value for syscall arguments in seccomp.',
  'of more than 32 bits',
  async (box) => {
    const output = await box.sh(
      KILL(10),
      withSeccomp(denying({ names: ['kill'], args: [{ index: 1, value: 2 ** 32 + 10, op: 'SCMP_CMP_EQ' }] })),
    );
    expect(output).toBe('10\n');
  },
);

for (const [name, seccomp] of [
  ['of a rule', denying({ action: ALLOW, errnoRet: 1 })],
  ['of a rule that kills', denying({ action: 'SCMP_ACT_KILL', errnoRet: 1 })],
  ['of the default', { ...denying({}), defaultErrnoRet: 1 }],
] as const)
  clause(
    "When the action doesn't support an errno, the runtime MUST print and error and fail.",
    name,
    async (box) => {
      const container = box.container(withSeccomp(seccomp));
      expect(await error(container.create().then(() => container.start()))).not.toBe('');
    },
  );

clause('`names` MUST contain at least one entry.', async (box) => {
  await error(box.container(withSeccomp(denying({ names: [] }))).create());
});

clause('This field MUST NOT be set if `listenerPath` is not set.', async (box) => {
  await error(box.container(withSeccomp({ ...denying({}), listenerMetadata: 'data' })).create());
});

for (const [name, seccomp] of [
  ['action', denying({ action: 'SCMP_ACT_MADE_UP' })],
  ['defaultAction', { ...denying({}), defaultAction: 'SCMP_ACT_MADE_UP' }],
  ['op', denying({ args: [{ index: 0, value: 0, op: 'SCMP_CMP_MADE_UP' }] })],
  ['index', denying({ args: [{ index: 6, value: 0, op: 'SCMP_CMP_EQ' }] })],
  ['architecture', { ...denying({}), architectures: ['SCMP_ARCH_MADE_UP'] }],
  ['flag', { ...denying({}), flags: ['SECCOMP_FILTER_FLAG_MADE_UP'] }],
] as const)
  clause(
    'A valid list of constants as of libseccomp v2.6.0 is shown below.',
    `another ${name} is refused`,
    async (box) => {
      const container = box.container(withSeccomp(seccomp as Seccomp));
      await error(container.create().then(() => container.start()));
    },
  );

for (const flag of ['SECCOMP_FILTER_FLAG_LOG', 'SECCOMP_FILTER_FLAG_SPEC_ALLOW', 'SECCOMP_FILTER_FLAG_TSYNC'])
  clause('A valid list of constants is shown below.', flag, async (box) => {
    expect(await box.sh(SETHOSTNAME, withSeccomp({ ...denying({}), flags: [flag] }))).toContain(
      'not permitted',
    );
  });

const notifying = (socket: string): Seccomp => ({
  ...denying({ action: 'SCMP_ACT_NOTIFY' }),
  listenerPath: socket,
  listenerMetadata: 'what the agent wants to know',
});

const NOTIFY: readonly (readonly [typeof clause, string])[] = [
  [clause, 'The runtime MUST send exactly one container process state per connection.'],
  [clause, 'The connection MUST NOT be reused and it MUST be closed after sending a seccomp state.'],
  [clause, '`seccompFd` (string, REQUIRED) is the seccomp file descriptor returned by the seccomp syscall.'],
  [
    processState,
    'The container runtime MUST send the container process state over the UNIX socket as regular payload serialized in JSON and file descriptors MUST be sent using `SCM_RIGHTS`.',
  ],
  [
    processState,
    'If more than one `sendmsg(2)` is used, the file descriptors MUST be sent only in the first call.',
  ],
  [
    processState,
    '`ociVersion` (string, REQUIRED) is version of the Open Container Initiative Runtime Specification with which the container process state complies.',
  ],
  [processState, '`pid` (int, REQUIRED) is the container process ID, as seen by the runtime.'],
  [processState, '`state` (state, REQUIRED) is the state of the container.'],
  [processState, '`metadata` (string, OPTIONAL) opaque metadata.'],
];

for (const [index, [of, sentence]] of NOTIFY.entries())
  of(sentence, async (box) => {
    box.needs(compiler);
    const peer = await startPeer(box);
    const container = await box.started((config) => {
      withSeccomp(notifying(peer.socket))(config);
      config.process.args = ['sh', '-c', `sleep 0.5; ${SETHOSTNAME}`];
    });
    // The state arrives when the connection has been closed, and nobody answers the notification: ENOSYS.
    await until('the container process state arrives', () => peer.connections().length > 0);
    expect(await container.exit()).toContain('not implemented');
    expect(peer.connections().length).toBe(1);
    const [connection] = peer.connections();
    const state = JSON.parse(connection?.payload ?? '');
    const checks = [
      () => expect(state).toBeTypeOf('object'),
      () => expect(state.state.id).toBe(container.id),
      () => expect([state.fds, connection?.fds]).toEqual([['seccompFd'], 1]),
      () => expect(connection?.fds).toBe(1),
      () => expect(connection?.later).toBe(0),
      () => expect(state.ociVersion).toMatch(/^1\.\d+/),
      () => expect(state.pid).toBe(container.pid()),
      () =>
        expect(state.state).toMatchObject({
          id: container.id,
          bundle: container.bundle,
          pid: container.pid(),
          status: expect.stringMatching(/^creat(ing|ed)$/),
        }),
      () => expect(state.metadata).toBe('what the agent wants to know'),
    ];
    checks[index]?.();
  });

clause('If sending to this socket fails, the runtime MUST generate an error.', async (box) => {
  const container = box.container(withSeccomp(notifying('/no/such/socket')));
  await error(container.create().then(() => container.start()));
});

clause('This socket MUST use `AF_UNIX` domain and `SOCK_STREAM` type.', 'a file is none', async (box) => {
  const container = box.container(withSeccomp(notifying(box.file('socket', ''))));
  await error(container.create().then(() => container.start()));
});

clause('If the `SCMP_ACT_NOTIFY` action is not used this value is ignored.', async (box) => {
  const output = await box.sh('echo ran', withSeccomp({ ...denying({}), listenerPath: '/no/such/socket' }));
  expect(output).toBe('ran\n');
});
