/** Another program in a container that was made from a bundle. */
import { readFileSync } from 'node:fs';
import type { ContainerCgroups } from '../../cgroup/host.ts';
import type { Plan } from '../../kernel/ops.ts';
import { type HostPath, hostPath } from '../../lib/brands.ts';
import { TsrunError } from '../../lib/errors.ts';
import type { ProcessSpec } from '../../spec/runtime.ts';
import { readHostFacts } from '../host-facts.ts';
import { planExec } from '../plan-exec.ts';
import { checkTerminal } from './create.ts';
import type { PassedDescriptors } from './descriptors.ts';
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
      process: { ...options.process, env: [...options.process.env, ...options.passed.env] },
      container: process,
      identity: identityOf(container),
      cgroups: subCgroups(currentCgroups(container.cgroups, process.pid), options.cgroups),
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
 * In v2 the first process may have moved below the cgroup that was made for it, as systemd does, to hand controllers down: then no
 * other process can be where it was. cgroups(7), No internal processes rule.
 */
function currentCgroups(cgroups: ContainerCgroups, pid: number): ContainerCgroups {
  const { v2 } = cgroups;
  if (v2 === undefined) return cgroups;
  const [, path = ''] = /^0::(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8')) ?? [];
  const below = path.indexOf(`${v2.slice(v2.lastIndexOf('/'))}/`);
  return below < 0
    ? cgroups
    : { ...cgroups, v2: hostPath(v2 + path.slice(below + v2.length - v2.lastIndexOf('/'))) };
}

function subCgroups(cgroups: ContainerCgroups, asked: readonly string[]): ContainerCgroups {
  const refuse = (why: string) => {
    throw new TsrunError('BAD_CGROUP', `invalid --cgroup argument: ${why}`, { exitCode: 1 });
  };
  let found = cgroups;
  for (const text of asked) {
    const [path = '', controllers] = text.split(':').toReversed();
    if (path.split('/').includes('..')) refuse(`${text} (it climbs)`);
    if (controllers === undefined) {
      if (found.v2 === undefined || asked.length > 1) refuse(`${text} (missing <controller>: prefix)`);
      found = { ...found, v2: hostPath(`${found.v2}/${path}`) };
      continue;
    }
    for (const name of controllers.split(',')) {
      const directory = found.v1[name];
      if (directory === undefined)
        refuse(`${text} (the container has no cgroup of v1 for ${name || 'no controller'})`);
      found = { ...found, v1: { ...found.v1, [name]: hostPath(`${directory}/${path}`) } };
    }
  }
  return found;
}
