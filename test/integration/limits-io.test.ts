/** --device-write-bps and the like, on a disk of the test's own: a file behind a loop device. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { deviceNumberOf } from '../../src/engine/host-devices.ts';
import { readLimit } from '../support/live-cgroups.ts';
import { watch } from '../support/running.ts';
import { useTsrun } from '../support/tsrun.ts';

const tsrun = useTsrun({ images: ['busybox'] });
const MIB = 1024 * 1024;

/** A mounted file system, and the disk it lies on. */
function makeDisk(): { readonly device: string; readonly directory: string } {
  const [file, directory] = [join(tsrun.scratch, 'disk'), join(tsrun.scratch, 'mounted')];
  writeFileSync(file, '');
  truncateSync(file, 32 * MIB);
  mkdirSync(directory, { recursive: true });
  execFileSync('mkfs.ext4', ['-q', '-F', file]);
  execFileSync('mount', ['-o', 'loop', file, directory]);
  onTestFinished(() => void execFileSync('umount', [directory]));
  const device = execFileSync('findmnt', ['-no', 'SOURCE', directory], { encoding: 'utf8' }).trim();
  return { device, directory };
}

test('writing takes as long as the limit says', async () => {
  const { device, directory } = makeDisk();
  const flags = ['--device-write-bps', `${device}:2m`, '-v', `${directory}:/data`];
  const dd = '{ time dd if=/dev/zero of=/data/file bs=1M count=4 oflag=direct; } 2>&1';
  const printed = await tsrun.ok('run', '--rm', ...flags, 'busybox', 'sh', '-c', dd);
  const seconds = Number(/^real\s+0m ([\d.]+)s$/m.exec(printed)?.[1]);
  expect(seconds).toBeGreaterThan(1.6);
  expect(seconds).toBeLessThan(4);
});

test('each limit of a disk stands in the files of its controller', async () => {
  const { device, directory } = makeDisk();
  const flags = [
    ...['--device-write-bps', `${device}:2m`, '--device-read-bps', `${device}:3m`],
    ...['--device-write-iops', `${device}:40`, '--device-read-iops', `${device}:50`],
  ];
  const script = ['busybox', 'sh', '-c', 'echo up; exec sleep 60'];
  const running = watch(
    tsrun.start('run', '--rm', '--name', 'disk', ...flags, '-v', `${directory}:/data`, ...script),
  );
  await running.waitFor(/up/);
  const { major, minor } = deviceNumberOf(statSync(device).rdev);
  const number = `${major}:${minor}`;
  const io = readLimit(tsrun, 'disk', 'io.max', 'blkio.throttle.write_bps_device');
  expect([`${number} rbps=${3 * MIB} wbps=${2 * MIB} riops=50 wiops=40`, `${number} ${2 * MIB}`]).toContain(
    io,
  );
  await tsrun.ok('kill', 'disk');
  await running.ended;
});
