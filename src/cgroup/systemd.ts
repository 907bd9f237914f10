/** What is asked of systemd: a scope, and its end. org.freedesktop.systemd1(5). */
import { CHILD_PID, type DbusCall, type DbusRequest, type DbusValue } from '../kernel/dbus.ts';
import type { Scope } from './scope.ts';

/** Where the D-Bus of the system listens: D-Bus Specification, "Well-known Message Bus Instances". */
export const SYSTEM_BUS = '/run/dbus/system_bus_socket';

/** As long as `docker stop` waits: systemd's own is a minute and a half. */
const STOP_TIMEOUT_US = 10_000_000n;

/** How systemd writes that there is no limit. */
const INFINITY = 2n ** 64n - 1n;

/**
 * A scope is a unit whose processes systemd did not start itself. Everything below its cgroup is ours (Delegate): systemd
 * writes nothing there, also not at a daemon-reload. `asked`: further properties, each a name and a value.
 */
export function startScope({ unit, slice, name }: Scope, asked: readonly DbusValue[]): DbusRequest {
  const properties: readonly DbusValue[] = [
    property('Description', 's', `tsrun container ${name}`),
    property('Slice', 's', slice),
    property('Delegate', 'b', true),
    // The container is no part of the boot: nothing of that waits for it, or ends it.
    property('DefaultDependencies', 'b', false),
    // A scope whose processes had to be killed has failed; it goes all the same.
    property('CollectMode', 's', 'inactive-or-failed'),
    property('TimeoutStopUSec', 't', STOP_TIMEOUT_US),
    // The limit of processes is the container's own; systemd's for all units (DefaultTasksMax) may be lower.
    property('TasksMax', 't', INFINITY),
    // Of a property that is there twice, the last one counts.
    ...asked,
    property('PIDs', 'au', [CHILD_PID]),
  ];
  return job(unit, {
    member: 'StartTransientUnit',
    signature: 'ssa(sv)a(sa(sv))',
    body: [unit, 'fail', properties, []],
  });
}

export function stopScope(unit: string): DbusRequest {
  return job(unit, { member: 'StopUnit', signature: 'ss', body: [unit, 'replace'] });
}

const MANAGER = {
  destination: 'org.freedesktop.systemd1',
  path: '/org/freedesktop/systemd1',
  interface: 'org.freedesktop.systemd1.Manager',
} as const;
const BUS = {
  destination: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.freedesktop.DBus',
} as const;

/** A call that is answered with a job, after those that make the bus tell us of the job's end. */
function job(unit: string, call: Pick<DbusCall, 'member' | 'signature' | 'body'>): DbusRequest {
  const rule = [
    "type='signal'",
    `sender='${MANAGER.destination}'`,
    `path='${MANAGER.path}'`,
    `interface='${MANAGER.interface}'`,
    "member='JobRemoved'",
    `arg2='${unit}'`,
  ];
  return [
    { ...BUS, member: 'Hello', signature: '', body: [] },
    { ...BUS, member: 'AddMatch', signature: 's', body: [rule.join(',')] },
    { ...MANAGER, ...call },
  ];
}

function property(name: string, signature: string, value: DbusValue): DbusValue {
  return [name, { signature, value }];
}
