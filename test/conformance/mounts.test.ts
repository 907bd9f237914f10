import { chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Box } from './support/box.ts';
import { type IdMapping, type Mount, withUserNamespace } from './support/config.ts';
import { error } from './support/container.ts';
import { section } from './support/section.ts';

const clause = section('config.md, Mounts');
const options = section('config.md, Linux mount options');
const posix = section('config.md, POSIX-platform Mounts');

const tmpfs = (destination: string, ...given: string[]): Mount => ({
  destination,
  type: 'tmpfs',
  source: 'tmpfs',
  options: given,
});

clause('The runtime MUST mount entries in the listed order.', 'one below the other', async (box) => {
  const source = box.folder('source');
  writeFileSync(join(source, 'file'), 'bound');
  const output = await box.sh('cat /mnt/below/file; ls /mnt', ({ mounts }) => {
    mounts.push(tmpfs('/mnt'), { destination: '/mnt/below', source, options: ['bind'] });
  });
  expect(output).toBe('boundbelow\n');
});

clause('The runtime MUST mount entries in the listed order.', 'the later hides the earlier', async (box) => {
  const source = box.folder('source');
  mkdirSync(join(source, 'below'));
  writeFileSync(join(source, 'below/file'), 'bound');
  const output = await box.sh('ls -A /mnt', ({ mounts }) => {
    mounts.push({ destination: '/mnt', source, options: ['rbind'] }, tmpfs('/mnt/below'), tmpfs('/mnt'));
  });
  expect(output).toBe('');
});

clause(
  'For compatibility with old tools and configurations, it MAY be a relative path, in which case it MUST be interpreted as relative to "/".',
  async (box) => {
    const mounts = await box.mountsAt('/mnt', ({ process, mounts }) => {
      process.cwd = '/tmp';
      mounts.push(tmpfs('mnt'));
    });
    expect(mounts.map(({ type }) => type)).toEqual(['tmpfs']);
  },
);

clause('Path values for bind mounts are either absolute or relative to the bundle.', async (box) => {
  const container = box.container(({ process, mounts }) => {
    process.args = ['cat', '/mnt/file'];
    mounts.push({ destination: '/mnt', source: 'data', options: ['bind'] });
  });
  mkdirSync(join(container.bundle, 'data'));
  writeFileSync(join(container.bundle, 'data/file'), 'of the bundle');
  await container.create();
  await container.start();
  expect(await container.exit()).toBe('of the bundle');
});

for (const option of ['bind', 'rbind'])
  for (const type of [undefined, 'none', 'ext4'])
    clause(
      'A mount is a bind mount if it has either `bind` or `rbind` in the options.',
      `${option}, its type is ${type ?? 'not set'}`,
      async (box) => {
        const source = box.folder('source');
        writeFileSync(join(source, 'file'), 'bound');
        const output = await box.sh('cat /mnt/file', ({ mounts }) => {
          mounts.push({ destination: '/mnt', source, options: [option], ...(type && { type }) });
        });
        expect(output).toBe('bound');
      },
    );

clause(
  'A mount is a bind mount if it has either `bind` or `rbind` in the options.',
  'of a file',
  async (box) => {
    const source = box.file('file', 'bound');
    const output = await box.sh('cat /etc/bound', ({ mounts }) => {
      mounts.push({ destination: '/etc/bound', source, options: ['bind'] });
    });
    expect(output).toBe('bound');
  },
);

const OPTIONS = '`options` (array of strings, OPTIONAL) Mount options of the filesystem to be used.';

clause(OPTIONS, 'size', async (box) => {
  const mounts = await box.mountsAt('/mnt', (config) => {
    config.mounts.push(tmpfs('/mnt', 'size=128k'));
  });
  expect(mounts[0]?.data).toContain('size=128k');
});

clause(OPTIONS, 'mode', async (box) => {
  const output = await box.sh('stat -c %a /mnt', ({ mounts }) => {
    mounts.push(tmpfs('/mnt', 'mode=710'));
  });
  expect(output).toBe('710\n');
});

posix('`type` (string, OPTIONAL) The type of the filesystem to be mounted.', async (box) => {
  const mounts = await box.mountsAt('/mnt', (config) => {
    config.mounts.push({ destination: '/mnt', type: 'ramfs', source: 'none' });
  });
  expect(mounts.map(({ type }) => type)).toEqual(['ramfs']);
});

const MAPPINGS: IdMapping[] = [{ containerID: 0, hostID: 70000, size: 1000 }];

for (const [given, missing] of [
  ['uidMappings', 'gidMappings'],
  ['gidMappings', 'uidMappings'],
] as const)
  posix(`If specified, it MUST be specified along with \`${missing}\`.`, async (box) => {
    const container = box.container(({ mounts }) => {
      mounts.push({
        destination: '/mnt',
        source: box.folder('source'),
        options: ['bind', 'idmap'],
        [given]: MAPPINGS,
      });
    });
    await error(container.create());
  });

/** What /mnt/file belongs to in the container when it is user 5's on the host; undefined when the runtime refuses. */
async function ownerThroughMount(
  box: Box,
  mount: Partial<Mount>,
  inUserNamespace: boolean,
): Promise<string | undefined> {
  const source = box.folder('source');
  mkdirSync(join(source, 'below'));
  writeFileSync(join(source, 'file'), '');
  chownSync(join(source, 'file'), 5, 6);
  const container = box.container((config) => {
    config.process.args = ['stat', '-c', '%u:%g', '/mnt/file'];
    config.mounts.push({ destination: '/mnt', source, ...mount });
    if (inUserNamespace) withUserNamespace(100000)(config);
  });
  try {
    await container.create();
  } catch {
    return undefined;
  }
  await container.start();
  return (await container.exit()).trim();
}

for (const option of ['idmap', 'ridmap']) {
  options(
    "If `uidMappings` or `gidMappings` are specified for the mount, the runtime MUST use those values for the mount's mapping.",
    option,
    async (box) => {
      // The type of these mappings is that of user namespaces: containerID is what the file system holds.
      const mappings = [{ containerID: 0, hostID: 70000, size: 1000 }];
      const mount = { options: ['rbind', option], uidMappings: mappings, gidMappings: mappings };
      const owner = await ownerThroughMount(box, mount, false);
      // The option is one that runtimes SHOULD implement: it may be refused, not ignored.
      if (owner !== undefined) expect(owner).toBe('70005:70006');
    },
  );

  options(
    "If there are no `uidMappings` and `gidMappings` specified and the container isn't using user namespaces, an error MUST be returned.",
    option,
    async (box) => {
      expect(await ownerThroughMount(box, { options: ['rbind', option] }, false)).toBe(undefined);
    },
  );

  options(
    "If they are not specified, the runtime MAY use the container's user namespace mapping, otherwise an error MUST be returned.",
    option,
    async (box) => {
      const owner = await ownerThroughMount(box, { options: ['rbind', option] }, true);
      if (owner !== undefined) expect(owner).toBe('5:6');
    },
  );
}
