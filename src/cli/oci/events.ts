/** `tsrun-oci events`: what a container uses, and that memory ran out, as lines of JSON. */
import { setTimeout } from 'node:timers/promises';
import { readUsage } from '../../cgroup/read-usage.ts';
import { stayInScope } from '../../cgroup/stay-in-scope.ts';
import { TsrunError } from '../../lib/errors.ts';
import { readFileIfThere } from '../../lib/files.ts';
import { type BundleContainer, findContainer } from '../../runtime/bundle/record.ts';
import type { FlagTable, Syntax } from '../flags.ts';
import { print } from '../print.ts';
import { type OciVerb, parseVerb } from './verb.ts';

const FLAGS = {
  interval: { type: 'text', value: 'TIME', help: 'between two figures: 500ms, 5s, 1m; 5s when not given' },
  stats: { type: 'switch', help: 'the figures once, and no more' },
} as const satisfies FlagTable;
const SYNTAX: Syntax = { verb: 'events', program: 'tsrun-oci' };

export const verb: OciVerb = {
  synopsis: 'events [command options] <container-id>',
  summary: 'display container events such as OOM notifications, cpu, memory, and IO usage statistics',
  flags: FLAGS,
  async run(args, { root }) {
    const { flags, rest } = parseVerb(FLAGS, args, SYNTAX, 1);
    const [id = ''] = rest;
    const intervalMs = parseInterval(flags.interval ?? '5s');
    const container = findContainer(root, id);
    if (container.status === 'stopped')
      throw new TsrunError('NOT_RUNNING', `container with id ${id} is not running`, { exitCode: 1 });
    if (flags.stats) printEvent(id, 'stats', statsOf(container));
    else await follow(root, container, intervalMs);
    return 0;
  },
};

/** Until the container has ended, and after that once more. How often memory ran out is looked at more often than the figures are shown. */
async function follow(
  root: Parameters<typeof findContainer>[0],
  container: BundleContainer,
  intervalMs: number,
) {
  const { id } = container;
  stayInScope(container.cgroups);
  let kills = oomKills(container);
  for (let shownMs = intervalMs; ; ) {
    const { status } = findContainer(root, id);
    const now = oomKills(container);
    if (now > kills) printEvent(id, 'oom');
    kills = Math.max(now, kills);
    if (status === 'stopped') return;
    if (shownMs >= intervalMs) {
      printEvent(id, 'stats', statsOf(container));
      shownMs = 0;
    }
    const waitMs = Math.min(intervalMs, LOOK_MS);
    await setTimeout(waitMs);
    shownMs += waitMs;
  }
}

const LOOK_MS = 100;

function oomKills({ cgroups }: BundleContainer): number {
  const text =
    readFileIfThere(`${cgroups.v2}/memory.events`) ??
    readFileIfThere(`${cgroups.v1.memory}/memory.oom_control`) ??
    '';
  return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);
}

function printEvent(id: string, type: 'stats' | 'oom', data?: object): void {
  print(`${JSON.stringify({ type, id, ...(data === undefined ? {} : { data }) })}\n`);
}

/** runc's names; times in nanoseconds. */
function statsOf({ cgroups }: BundleContainer) {
  const usage = readUsage(cgroups);
  return {
    cpu: { usage: { total: (usage.cpuMicroseconds ?? 0) * 1000 }, throttling: {} },
    memory: { usage: { usage: usage.memoryBytes ?? 0, limit: usage.memoryLimitBytes ?? 0 } },
    pids: { current: usage.tasks ?? 0 },
    blkio: {
      ioServiceBytesRecursive: [
        { op: 'Read', value: usage.readBytes ?? 0 },
        { op: 'Write', value: usage.writtenBytes ?? 0 },
      ],
    },
  };
}

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

function parseInterval(text: string): number {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? [];
  const ms = Number(number) * (UNITS_MS[unit] ?? Number.NaN);
  if (ms > 0) return ms;
  throw new TsrunError('USAGE', `duration interval must be greater than 0: ${JSON.stringify(text)}`, {
    exitCode: 1,
  });
}
