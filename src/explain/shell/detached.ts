/** Ops of a container that other programs steer: a script does not wait to be started, it runs what it makes. */
import type { OpName } from '../../kernel/ops.ts';
import { quote } from './quote.ts';
import type { Translations } from './table.ts';

type DetachedOps = Extract<
  OpName,
  | 'listen'
  | 'await_start'
  | 'tell_host'
  | 'await_child'
  | 'run_hook'
  | 'hand_over'
  | 'find_program'
  | 'find_home'
  | 'listen_notify'
  | 'open_log'
  | 'log'
  | 'write_pid_file'
  | 'await_exec'
>;

export const DETACHED: Translations<DetachedOps> = {
  listen: (_op, sh) => sh.comment('No command does it: a socket at which the start is awaited.'),
  await_start: (_op, sh) => sh.comment('The script goes on at once.'),
  tell_host: (_op, sh) => sh.comment('The other side of the script does not wait for it.'),
  await_child: (_op, sh) => sh.comment('The script goes on at once.'),
  run_hook({ path, args, env, state, rest }, sh) {
    const words = [...env, path, ...args.slice(1)].map(quote).join(' ');
    sh.line(`printf '%s%s%s' ${quote(state)} "$CHILD" ${quote(rest)} | env -i ${words}`);
  },
  hand_over: ({ path }, sh) => sh.comment(`No command does it: a descriptor is sent to ${path}.`),
  find_program: ({ program }, sh) => sh.line(`command -v ${quote(program)} >/dev/null`),
  open_log: (_op, sh) => sh.comment('The script writes no log.'),
  log: (_op, sh) => sh.comment('A line of the log.'),
  listen_notify: ({ host }, sh) => sh.comment(`No command does it: readiness is passed on to ${host}.`),
  find_home: (op, sh) => sh.impossible(op, 'the program gets no HOME: the environment of env is fixed here.'),
  write_pid_file: ({ path }, sh) => sh.line(`printf %s "$CHILD" >${quote(path)}`),
  await_exec: (_op, sh) => sh.comment('The script does not see the moment of the exec.'),
};
