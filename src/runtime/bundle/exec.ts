/** Another program in a container that was made from a bundle. */
import { existsSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import type { ContainerCgroups } from '../../cgroup/host.ts';
import type { Plan } from '../../kernel/ops.ts';
import { type HostPath, hostPath } from '../../lib/brands.ts';
import { TsrunError } from '../../lib/errors.ts';
import type { ProcessSpec } from '../../spec/runtime.ts';
import { readHostFacts } from '../host-facts.ts';
import { planExec } from '../plan-exec.ts';
import { checkTerminal } from './create.ts';
import type { PassedDescriptors } from './descriptors.ts';
import { lastOfEach } from './environment.ts';
import { type BundleContainer, identityOf } from './record.ts';

export interface ExecOptions {
  readonly process: ProcessSpec;
  readonly detached: 'running' | undefined;
  readonly pidFile: HostPath | undefined;
  readonly consoleSocket: HostPath | undefined;
  readonly passed: PassedDescriptors;
  /** `[CONTROLLER[,CONTROLLER]:]PATH`: cgroups below those of the container. */
  readonly cgroups: readonly string[];
  readonly ignorePaused: boolean;
  readonly reporter: readonly string[];
}

/** Throws when the container does not run. */
export function prepareExec(container: BundleContainer, options: ExecOptions): Plan {
  const { process } = container;
  if (container.status === 'stopped' || container.status === 'creating' || process === undefined)
    throw new TsrunError('NOT_RUNNING', 'cannot exec in a stopped container', { exitCode: 1 });
  if (container.status === 'paused' && !options.ignorePaused)
    throw new TsrunError('PAUSED', 'cannot exec in a paused container (use --ignore-paused to override)', {
      exitCode: 1,
    });
  checkTerminal(options.process, options);
  const { seccomp } = container;
  return planExec(
    {
      spec: container.spec,
      process: { ...options.process, env: lastOfEach(options.process.env, options.passed.env) },
      container: process,
      identity: identityOf(container),
      cgroups: chooseCgroups(container.cgroups, process.pid, options.cgroups),
      seccomp: seccomp && {
        flags: seccomp.flags,
        program: Buffer.from(seccomp.programBase64, 'base64'),
      },
      detached: options.detached,
      pidFile: options.pidFile,
      consoleSocket: options.consoleSocket,
      keptDescriptors: options.passed.count,
      reporter: options.reporter,
    },
    readHostFacts(),
  );
}

/**
 * In v2 the first process may have moved below the cgroup that was made for it, as systemd does, to hand controllers down: from then
 * on no other process can be where it was. cgroups(7), No internal processes rule.
 */
function currentCgroups(cgroups: ContainerCgroups, pid: number): ContainerCgroups {
  const { v2 } = cgroups;
  if (v2 === undefined || !handsDown(v2)) return cgroups;
  const [, path = ''] = /^0::(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8')) ?? [];
  const below = path.indexOf(`${v2.slice(v2.lastIndexOf('/'))}/`);
  return below < 0
    ? cgroups
    : { ...cgroups, v2: hostPath(v2 + path.slice(below + v2.length - v2.lastIndexOf('/'))) };
}

function handsDown(v2: HostPath): boolean {
  return readFileSync(`${v2}/cgroup.subtree_control`, 'utf8').trim() !== '';
}

/** What is asked for lies below the cgroups that were made for the container, wherever its first process is. */
function chooseCgroups(cgroups: ContainerCgroups, pid: number, asked: readonly string[]): ContainerCgroups {
  return asked.length === 0 ? currentCgroups(cgroups, pid) : subCgroups(cgroups, asked);
}

/** In the words of runc. A path without a controller is one of v2, or in v1 of every hierarchy. */
function subCgroups(cgroups: ContainerCgroups, asked: readonly string[]): ContainerCgroups {
  let { v2, v1 } = cgroups;
  const refuse = (why: string): never => {
    throw new TsrunError('BAD_CGROUP', `invalid --cgroup argument: ${why}`, { exitCode: 1 });
  };
  const below = (directory: HostPath, path: string) => {
    const found = hostPath(posix.join(directory, path));
    const cannotAdd = (errno: string) =>
      refuse(`error adding pid to cgroups: ${found}/cgroup.procs: ${errno}`);
    if (!existsSync(found)) return cannotAdd('no such file or directory');
    return directory === v2 && handsDown(found) ? cannotAdd('device or resource busy') : found;
  };
  for (const text of asked) {
    const [path = '', controllers] = text.split(':').toReversed();
    if (path.split('/').includes('..')) refuse(`${path} is not a sub cgroup path`);
    if (controllers === undefined && asked.length > 1) refuse(`${text} (missing <controller>: prefix)`);
    if (controllers === undefined && v2 !== undefined) v2 = below(v2, path);
    for (const name of controllers?.split(',') ?? (v2 === undefined ? Object.keys(v1) : [])) {
      const directory = v1[name] ?? refuse(`unknown controller ${name}`);
      v1 = { ...v1, [name]: below(directory, path) };
    }
  }
  return { ...(v2 === undefined ? {} : { v2 }), v1 };
}
