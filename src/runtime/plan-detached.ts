/**
 * A container that other programs steer: it waits to be started, its hooks are run, its terminal and its number are handed
 * over. OCI runtime-spec, runtime.md, Lifecycle.
 */
import type { Op, OpGroup } from '../kernel/ops.ts';
import type { HostPath } from '../lib/brands.ts';
import type { HookName, HookSpec, ProcessSpec } from '../spec/runtime.ts';
import { group } from './op-group.ts';
import type { Detachment } from './plan.ts';

/** Where a container waits for its start, in the directory that has its `pid`. */
export const START_SOCKET = 'start.sock';

/** The hooks of one moment of a container's life, and the state they are told: text before and behind the pid. */
export interface Hooks {
  readonly name: HookName;
  readonly hooks: readonly HookSpec[];
  readonly state: readonly [before: string, behind: string];
}

export type HookStates = Readonly<Record<HookName, Hooks>>;

/** Before the clone: the child inherits it. */
export function planStartSocket(): Op {
  return {
    op: 'listen',
    into: 'start-socket',
    at: 'run-dir',
    path: START_SOCKET,
    why: 'Whoever starts the container connects here.',
  };
}

/** The program is looked for already now: one that is missing is better heard of before the start. */
export function planWait({ args, env }: ProcessSpec): readonly Op[] {
  return [
    {
      op: 'find_program',
      cwd: 'target',
      program: args[0] ?? '',
      env,
      why: 'The program must be there: who makes the container hears of it, not who starts it.',
    },
    { op: 'tell_host', why: 'Everything is made; the host process need not stay.' },
    {
      op: 'await_start',
      socket: 'start-socket',
      why: 'The container is created. It goes on when somebody connects, who hears of a failure from here on.',
    },
  ];
}

/** A socket that the container finds in a directory of its own, and the one that is told of its readiness. */
export interface NotifySockets {
  /** Below the directory that has its `pid`. */
  readonly path: string;
  /** A path, or `@` and an abstract name. */
  readonly host: string;
}

export function planNotify(sockets: NotifySockets | undefined): readonly Op[] {
  if (sockets === undefined) return [];
  return [
    {
      op: 'listen_notify',
      at: 'run-dir',
      ...sockets,
      why: 'The program says here when it is ready; whoever waits for that is told so, and by which process.',
    },
  ];
}

export interface LeaveInput {
  readonly detached?: Detachment | undefined;
  readonly pidFile?: HostPath | undefined;
}

export function planLeave({ detached, pidFile }: LeaveInput): readonly Op[] {
  return [
    ...(detached === 'waiting'
      ? [{ op: 'await_child', why: 'The container is created when its first process waits.' } as const]
      : []),
    ...(pidFile === undefined
      ? []
      : [
          {
            op: 'write_pid_file',
            path: pidFile,
            why: 'Whoever asked for the container finds its first process by this number.',
          } as const,
        ]),
  ];
}

/** With a console socket somebody else serves the terminal. */
export function planConsole(socket: HostPath | undefined): readonly Op[] {
  if (socket === undefined) return [];
  return [
    {
      op: 'hand_over',
      path: socket,
      fd: 'terminal',
      text: '/dev/ptmx',
      why: 'Whoever listens there serves the terminal of the container.',
    },
  ];
}

const PURPOSE: Readonly<Record<HookName, string>> = {
  prestart: 'the container goes no further unless it succeeds.',
  createRuntime: 'the container goes no further unless it succeeds.',
  createContainer: 'the container goes no further unless it succeeds.',
  startContainer: 'the program is not run unless it succeeds.',
  poststart: 'the container is ended unless it succeeds.',
  poststop: 'it is told that the container is gone.',
};

export function planHooks(hooks: Hooks | undefined): readonly Op[] {
  if (hooks === undefined) return [];
  const { name, state } = hooks;
  return hooks.hooks.map((hook) => ({
    op: 'run_hook',
    path: hook.path,
    args: hook.args ?? [hook.path],
    env: hook.env ?? [],
    timeout: (hook.timeout ?? 0) * 1000,
    state: state[0],
    rest: state[1],
    why: `A ${name} hook of the configuration: ${PURPOSE[name]}`,
  }));
}

/** The root file system is whole, and the host's still there: the first hooks are run outside, the next ones inside. */
export function planHooksBeforePivot(hooks: HookStates | undefined): readonly (OpGroup | undefined)[] {
  const outside = [...planHooks(hooks?.prestart), ...planHooks(hooks?.createRuntime)];
  const inside = planHooks(hooks?.createContainer);
  return [
    ...(outside.length === 0
      ? []
      : [
          group('child', 'The root file system is whole', [
            { op: 'tell_host', why: 'Hooks outside may look at it now.' },
          ]),
          group('host', 'Hooks outside', [
            { op: 'await_child', why: 'The mounts of the container must be there.' },
            ...outside,
            { op: 'release_child', why: 'The hooks have had their turn.' },
          ]),
          group('child', 'The child waits for the hooks outside', [
            { op: 'await_host', why: 'The root is changed only after they have succeeded.' },
          ]),
        ]),
    group(
      'child',
      'Hooks inside, before the change of root',
      inside.length === 0
        ? []
        : [
            {
              op: 'fchdir',
              fd: 'rootfs',
              why: 'They find the root of the container where they are, as with runc.',
            },
            ...inside,
          ],
    ),
  ];
}

/** Of a container that nobody starts: `run`. Those of the others are run by whoever starts it. */
export function planPoststart(hooks: HookStates | undefined): readonly Op[] {
  const ops = planHooks(hooks?.poststart);
  if (ops.length === 0) return [];
  return [{ op: 'await_exec', why: 'The program must run before these hooks do.' }, ...ops];
}
