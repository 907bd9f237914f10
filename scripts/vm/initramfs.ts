/** Builds the small first file system of a machine: busybox, guest-init.sh and the modules to reach the root. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { TsrunError } from '../../src/lib/errors.ts';
import { dropOthers, type Kernel, run } from './kernel.ts';

const BUSYBOX = '/bin/busybox';
const INIT = join(import.meta.dirname, 'guest-init.sh');

/** The path of the image for this kernel; made when it is not in the cache or one of its sources changed. */
export function initramfs(kernel: Kernel, modules: readonly string[], cache: string): string {
  if (!existsSync(BUSYBOX)) {
    throw new TsrunError('VM_BUSYBOX_MISSING', `Cannot make the initramfs: ${BUSYBOX} does not exist`, {
      hint: 'apt-get install busybox-static',
    });
  }
  const sources = createHash('sha256')
    .update(readFileSync(INIT))
    .update(readFileSync(BUSYBOX))
    .update(modules.join());
  const prefix = `initramfs-${kernel.release}-`;
  const name = `${prefix}${sources.digest('hex').slice(0, 16)}.cpio`;
  const image = join(cache, name);
  if (!existsSync(image)) {
    build(image, kernel, modules);
    dropOthers(cache, prefix, name);
  }
  return image;
}

function build(image: string, kernel: Kernel, modules: readonly string[]): void {
  const directory = mkdtempSync(join(tmpdir(), 'tsrun-initramfs-'));
  try {
    mkdirSync(join(directory, 'bin'));
    mkdirSync(join(directory, 'modules'));
    copyFileSync(BUSYBOX, join(directory, 'bin/busybox'));
    copyFileSync(INIT, join(directory, 'init'));
    chmodSync(join(directory, 'init'), 0o755);
    const files = moduleFiles(kernel, modules);
    for (const file of files) copyFileSync(file, join(directory, 'modules', basename(file)));
    writeFileSync(join(directory, 'modules/order'), files.map((file) => `${basename(file)}\n`).join(''));

    const archive = execFileSync('sh', ['-c', 'find . | busybox cpio -o -H newc'], {
      cwd: directory,
      maxBuffer: 1 << 28,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    // Not beginning as an image does: another machine that starts now drops those that it does not know.
    const whole = join(dirname(image), `new-${process.pid}-${basename(image)}`);
    writeFileSync(whole, archive);
    renameSync(whole, image);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The .ko files of these modules and all they depend on, each once, in the order to load them. */
function moduleFiles(kernel: Kernel, modules: readonly string[]): string[] {
  const lines = modules.flatMap((module) =>
    run('modprobe', ['--show-depends', '-d', kernel.root, '-S', kernel.release, module]).split('\n'),
  );
  return [...new Set(lines.flatMap((line) => /^insmod (\S+)/.exec(line)?.[1] ?? []))];
}
