import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { cgroupDirectory, cgroupMounts, readCgroup } from './support/cgroups.ts';
import { withUserNamespace } from './support/config.ts';
import type { Container } from './support/container.ts';
import { cgroupV2Only, controller } from './support/host.ts';
import { section } from './support/section.ts';

const clause = section('config-linux.md, Cgroups Path');
const ownership = section('config-linux.md, Cgroup ownership');

/** What the kernel says of every hierarchy, without the hierarchies' numbers. */
function membership(container: Container): string {
  return readFileSync(`/proc/${container.pid()}/cgroup`, 'utf8').replaceAll(/^\d+:/gm, '');
}

clause(
  'In the case of an absolute path (starting with `/`), the runtime MUST take the path to be relative to the cgroups mount point.',
  async (box) => {
    box.needs(controller('pids'));
    const container = await box.created(({ linux }) => {
      linux.cgroupsPath = `/${box.name}-a/below/own`;
    });
    const mount = cgroupMounts().find(
      ({ version, controllers }) => version === 2 || controllers.includes('pids'),
    );
    const directories = cgroupMounts().map(({ directory }) => join(directory, `${box.name}-a/below/own`));
    expect(directories).toContain(cgroupDirectory(container.pid(), 'pids'));
    expect(mount).toBeDefined();
  },
);

clause(
  'If the value is specified, the runtime MUST consistently attach to the same place in the cgroups hierarchy given the same value of `cgroupsPath`.',
  'an absolute path',
  async (box) => {
    const places: string[] = [];
    for (const _ of [1, 2]) {
      const container = await box.started(({ linux }) => {
        linux.cgroupsPath = `/${box.name}-same`;
      });
      places.push(membership(container));
      await container.kill('KILL');
      await container.reaches('stopped');
      await container.delete();
    }
    expect(places[0]).toContain(`/${box.name}-same`);
    expect(places[1]).toBe(places[0]);
  },
);

clause(
  'If the value is specified, the runtime MUST consistently attach to the same place in the cgroups hierarchy given the same value of `cgroupsPath`.',
  'a relative path',
  async (box) => {
    const places: string[] = [];
    for (const _ of [1, 2]) {
      const container = await box.started(({ linux }) => {
        linux.cgroupsPath = `${box.name}-same`;
      });
      places.push(membership(container));
      await container.kill('KILL');
      await container.reaches('stopped');
      await container.delete();
    }
    expect(places[0]).toContain(`${box.name}-same`);
    expect(places[1]).toBe(places[0]);
  },
);

clause("The cgroups will be created if they don't exist.", async (box) => {
  box.needs(controller('pids'));
  const container = await box.created();
  const directory = cgroupDirectory(container.pid(), 'pids');
  expect(directory !== undefined && existsSync(directory)).toBe(true);
  expect(readCgroup(container.pid(), 'pids', 'cgroup.procs').split('\n')).toContain(`${container.pid()}`);
});

ownership(
  'Runtimes MUST NOT fail in this scenario, and SHOULD change the ownership of the listed files that do exist in the cgroup.',
  async (box) => {
    box.needs(cgroupV2Only);
    const output = await box.sh('echo ran; mkdir /sys/fs/cgroup/below && echo delegated', (config) => {
      withUserNamespace(100000)(config);
      config.linux.namespaces.push({ type: 'cgroup' });
      config.mounts.push({
        destination: '/sys/fs/cgroup',
        type: 'cgroup',
        source: 'cgroup',
        options: ['nosuid'],
      });
    });
    expect(output).toMatch(/^ran\n/);
  },
);
