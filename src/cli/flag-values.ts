/** The text after a flag of `run` → its value, or a usage error. */
import type { CgroupManager } from '../cgroup/host.ts';
import { parseByteSize } from '../lib/byte-size.ts';
import { TsrunError } from '../lib/errors.ts';
import { parseUlimit } from '../security/rlimits.ts';
import type { RlimitSpec } from '../spec/runtime.ts';
import { type Syntax, usage } from './flags.ts';

/** The last one of a limit counts. */
export function parseUlimits(texts: readonly string[]): readonly RlimitSpec[] {
  return [...new Map(texts.map(parseUlimit).map((limit) => [limit.type, limit])).values()];
}

/** proc_pid_oom_score_adj(5) */
const OOM_SCORE_LIMIT = 1000;

export function parseOomScore(text: string | undefined, syntax: Syntax): number | undefined {
  if (text === undefined) return undefined;
  const score = Number(text);
  if (!/^-?\d+$/.test(text) || Math.abs(score) > OOM_SCORE_LIMIT)
    throw usage(
      syntax,
      `--oom-score-adj takes a whole number from -1000 to 1000, not ${JSON.stringify(text)}`,
    );
  return score;
}

export function parseSysctl(entry: string, syntax: Syntax): readonly [name: string, value: string] {
  const at = entry.indexOf('=');
  if (at <= 0) throw usage(syntax, `--sysctl takes NAME=VALUE, not ${JSON.stringify(entry)}`);
  return [entry.slice(0, at), entry.slice(at + 1)];
}

/** 0 would be a tmpfs without a limit. */
export function parseShmSize(text: string | undefined, syntax: Syntax): number | undefined {
  if (text === undefined) return undefined;
  const bytes = parseByteSize(text);
  if (bytes === undefined || bytes === 0)
    throw usage(syntax, `--shm-size takes a size above 0 such as 64m or 1g, not ${JSON.stringify(text)}`);
  return bytes;
}

export function parseCgroupNamespace(value: string | undefined, syntax: Syntax): 'private' | 'host' {
  if (value === undefined || value === 'private') return 'private';
  if (value === 'host') return 'host';
  throw usage(syntax, `--cgroupns takes private or host, not ${JSON.stringify(value)}`);
}

/** `flag` counts more than the environment; without either it is cgroupfs, also where systemd runs: docs/decisions/limits.md. */
export function parseCgroupManager(flag: string | undefined, hostEnv: NodeJS.ProcessEnv): CgroupManager {
  const value = flag || hostEnv.TSRUN_CGROUP_MANAGER || 'cgroupfs';
  if (value === 'cgroupfs' || value === 'systemd') return value;
  const source = flag ? '--cgroup-manager' : 'TSRUN_CGROUP_MANAGER';
  throw new TsrunError(
    'BAD_CGROUP_MANAGER',
    `${source} takes cgroupfs or systemd, not ${JSON.stringify(value)}`,
  );
}
