/** `tsrun-oci update`: other limits for a container that runs. */
import { readFileSync } from 'node:fs';
import { parseByteSize } from '../../lib/byte-size.ts';
import { TsrunError } from '../../lib/errors.ts';
import { findContainer } from '../../runtime/bundle/record.ts';
import { updateContainer } from '../../runtime/bundle/update.ts';
import { parseResources } from '../../spec/resources-config.ts';
import type { ResourcesSpec } from '../../spec/runtime.ts';
import { withoutAbsent } from '../../spec/shape.ts';
import type { FlagTable, FlagValues, Syntax } from '../flags.ts';
import { type OciVerb, parseVerb } from './verb.ts';

const FLAGS = {
  resources: {
    short: 'r',
    type: 'text',
    value: 'FILE',
    help: 'limits as JSON, - for standard input: linux.resources of a configuration',
  },
  'blkio-weight': { type: 'text', value: 'N', help: '10 to 1000' },
  'cpu-period': { type: 'text', value: 'MICROSECONDS', help: 'of the quota' },
  'cpu-quota': { type: 'text', value: 'MICROSECONDS', help: 'processor time in each period' },
  'cpu-burst': { type: 'text', value: 'MICROSECONDS', help: 'what may be saved up of the quota' },
  'cpu-share': { type: 'text', value: 'N', help: 'weight against others' },
  'cpu-rt-period': { type: 'text', value: 'MICROSECONDS', help: 'of real-time processes' },
  'cpu-rt-runtime': { type: 'text', value: 'MICROSECONDS', help: 'of real-time processes' },
  'cpuset-cpus': { type: 'text', value: 'LIST', help: 'processors' },
  'cpuset-mems': { type: 'text', value: 'LIST', help: 'memory nodes' },
  'cpu-idle': { type: 'text', value: '0|1', help: '1: runs only when nothing else wants to' },
  'kernel-memory': { type: 'text', value: 'BYTES', help: 'without meaning: kernels have it no more' },
  'kernel-memory-tcp': { type: 'text', value: 'BYTES', help: 'without meaning: kernels have it no more' },
  memory: { type: 'text', value: 'BYTES', help: 'limit; -1 for none' },
  'memory-reservation': { type: 'text', value: 'BYTES', help: 'what is kept when memory is short' },
  'memory-swap': { type: 'text', value: 'BYTES', help: 'memory and swap; -1 for no limit' },
  'pids-limit': { type: 'text', value: 'N', help: 'processes; -1 for no limit' },
} as const satisfies FlagTable;
const SYNTAX: Syntax = { verb: 'update', program: 'tsrun-oci' };

export const verb: OciVerb = {
  synopsis: 'update [command options] <container-id>',
  summary: 'update container resource constraints',
  flags: FLAGS,
  run(args, { root }) {
    const { flags, rest } = parseVerb(FLAGS, args, SYNTAX, 1);
    updateContainer(findContainer(root, rest[0] ?? ''), resourcesOf(flags));
    return 0;
  },
};

type Flags = FlagValues<typeof FLAGS>;

function resourcesOf(flags: Flags): ResourcesSpec {
  if (flags.resources !== undefined)
    return parseResources(readFileSync(flags.resources === '-' ? 0 : flags.resources, 'utf8'));
  const number = (name: keyof Flags) => numberOf(flags[name], name);
  const bytes = (name: keyof Flags) => bytesOf(flags[name], name);
  const pids = number('pids-limit');
  return {
    memory: withoutAbsent({
      limit: bytes('memory'),
      reservation: bytes('memory-reservation'),
      swap: bytes('memory-swap'),
    }),
    cpu: withoutAbsent({
      shares: number('cpu-share'),
      quota: number('cpu-quota'),
      period: number('cpu-period'),
      burst: number('cpu-burst'),
      realtimeRuntime: number('cpu-rt-runtime'),
      realtimePeriod: number('cpu-rt-period'),
      cpus: flags['cpuset-cpus'],
      mems: flags['cpuset-mems'],
      idle: number('cpu-idle'),
    }),
    ...withoutAbsent({ pids: pids === undefined ? undefined : { limit: pids } }),
    blockIO: withoutAbsent({ weight: number('blkio-weight') }),
  };
}

function numberOf(text: string | undefined, flag: string): number | undefined {
  if (text === undefined) return undefined;
  if (/^-?\d{1,15}$/.test(text)) return Number(text);
  throw new TsrunError('USAGE', `--${flag} takes a whole number, not ${JSON.stringify(text)}`, {
    exitCode: 1,
  });
}

function bytesOf(text: string | undefined, flag: string): number | undefined {
  if (text === undefined || text === '-1') return text === undefined ? undefined : -1;
  const bytes = parseByteSize(text);
  if (bytes !== undefined) return bytes;
  throw new TsrunError('USAGE', `--${flag} takes a size such as 64m, or -1, not ${JSON.stringify(text)}`, {
    exitCode: 1,
  });
}
