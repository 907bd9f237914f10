import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type Change, withUserNamespace } from './support/config.ts';
import { section } from './support/section.ts';

const clause = section('config-linux.md, User namespace mappings');
const user = section('config.md, POSIX-platform User');

const FIELDS = [
  '`containerID` (uint32, REQUIRED) - is the starting uid/gid in the container.',
  '`hostID` (uint32, REQUIRED) - is the starting uid/gid on the host to be mapped to containerID.',
  '`size` (uint32, REQUIRED) - is the number of ids to be mapped.',
];

const twoRanges: Change = ({ linux }) => {
  linux.namespaces.push({ type: 'user' });
  linux.uidMappings = [
    { containerID: 0, hostID: 100000, size: 1000 },
    { containerID: 5000, hostID: 300000, size: 10 },
  ];
  linux.gidMappings = [{ containerID: 0, hostID: 200000, size: 2000 }];
};

for (const [index, sentence] of FIELDS.entries())
  clause(sentence, async (box) => {
    const container = await box.started(twoRanges);
    const map = (file: string) =>
      readFileSync(`/proc/${container.pid()}/${file}`, 'utf8')
        .trim()
        .split('\n')
        .map((line) => Number(line.trim().split(/\s+/)[index]));
    expect(map('uid_map')).toEqual(
      [
        [0, 5000],
        [100000, 300000],
        [1000, 10],
      ][index],
    );
    expect(map('gid_map')).toEqual([[0], [200000], [2000]][index]);
  });

clause(
  '`uidMappings` (array of objects, OPTIONAL) describes the user namespace uid mappings from the host to the container.',
  'whose file it is that the container writes',
  async (box) => {
    const directory = box.folder('shared');
    const container = await box.started((config) => {
      withUserNamespace(100000)(config);
      config.mounts.push({ destination: '/mnt', source: directory, options: ['bind'] });
      config.mounts.push({ destination: '/tmp', type: 'tmpfs', source: 'tmpfs' });
      config.process.args = ['sh', '-c', 'touch /tmp/file; stat -c %u:%g /tmp/file; cat /proc/self/uid_map'];
    });
    const [inside, map] = (await container.exit()).split('\n');
    expect(inside).toBe('0:0');
    expect(map?.trim().split(/\s+/)).toEqual(['0', '100000', '65536']);
  },
);

clause(
  'The runtime SHOULD NOT modify the ownership of referenced filesystems to realize the mapping.',
  async (box) => {
    const container = await box.created(withUserNamespace(100000));
    expect(statSync(join(container.rootfs, 'bin/busybox')).uid).toBe(process.getuid?.());
  },
);

user(
  '`uid` (int, REQUIRED) specifies the user ID in the container namespace.',
  'of a user namespace',
  async (box) => {
    const container = await box.started((config) => {
      twoRanges(config);
      config.process.user = { uid: 5003, gid: 7 };
    });
    const status = readFileSync(`/proc/${container.pid()}/status`, 'utf8');
    expect(status).toMatch(/^Uid:\t300003\t/m);
    expect(status).toMatch(/^Gid:\t200007\t/m);
  },
);
