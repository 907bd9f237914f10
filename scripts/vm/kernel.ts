/**
 * The kernels of the test machines. QEMU's is Debian's linux-image-amd64, downloaded once and unpacked, not
 * installed: nothing on the host changes. User-mode-linux is a program from an installed package.
 */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { errnoOf, TsrunError } from '../../src/lib/errors.ts';

export interface Kernel {
  /** As `uname -r` says it in the guest. */
  readonly release: string;
  /** The file that boots: an ELF kernel for QEMU, a program for user-mode-linux. */
  readonly image: string;
  /** A directory with lib/modules/RELEASE in it, indexed by depmod. */
  readonly root: string;
}

/** Where kernels, initramfs images and verdicts are kept between runs. */
export function cacheDirectory(): string {
  const directory = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'tsrun', 'vm');
  mkdirSync(directory, { recursive: true });
  return directory;
}

/** Debian's kernel, from the cache, or downloaded by apt the first time. Delete the cache to get a newer one. */
export function debianKernel(cache: string): Kernel {
  const root = join(cache, 'debian-kernel');
  if (!existsSync(root)) installInto(root, (directory) => unpackDebianKernel(directory));
  const release = onlyEntry(join(root, 'lib/modules'));
  return { release, image: join(root, 'vmlinux'), root };
}

/** The kernel program of Debian's package user-mode-linux. */
export function umlKernel(cache: string): Kernel {
  const image = '/usr/bin/linux.uml';
  if (!existsSync(image)) {
    throw new TsrunError('VM_UML_MISSING', `Cannot start user-mode-linux: ${image} does not exist`, {
      hint: 'apt-get install user-mode-linux, or leave --uml away to use QEMU',
    });
  }
  const release = run(image, ['--version']).trim();
  const root = join(cache, `uml-${release}`);
  if (!existsSync(root)) {
    installInto(root, (directory) => {
      mkdirSync(join(directory, 'lib'));
      symlinkSync('/usr/lib/uml/modules', join(directory, 'lib/modules'));
    });
  }
  return { release, image, root };
}

function unpackDebianKernel(directory: string): void {
  process.stderr.write('vm: downloading the Debian kernel (70 MB, once)\n');
  const name = /^Depends:.*?(linux-image-\S+-amd64)/m.exec(
    run('apt-cache', ['show', '--no-all-versions', 'linux-image-amd64']),
  )?.[1];
  if (name === undefined) {
    throw new TsrunError('VM_KERNEL_UNKNOWN', 'Cannot find the kernel package behind linux-image-amd64', {
      hint: 'run apt-get update; the machine needs Debian on x86-64',
    });
  }
  // As root apt would drop to the user _apt, who may not write here.
  run('apt-get', ['-q', '-o', 'APT::Sandbox::User=root', 'download', name], directory);
  const deb = readdirSync(directory).find((file) => file.endsWith('.deb')) ?? '';
  run('dpkg-deb', ['--extract', join(directory, deb), directory]);
  rmSync(join(directory, deb));
  const release = onlyEntry(join(directory, 'lib/modules'));
  run('depmod', ['--basedir', directory, release]);
  writeFileSync(join(directory, 'vmlinux'), extractElf(join(directory, 'boot', `vmlinuz-${release}`)));
}

/**
 * Takes the ELF kernel out of a bzImage, so that it need not unpack itself under emulation, which costs more
 * than the rest of the boot. QEMU starts it through its PVH note. Offsets: Documentation/arch/x86/boot.rst.
 */
function extractElf(bzImage: string): Buffer {
  const file = readFileSync(bzImage);
  const setupSectors = file.readUInt8(0x1f1);
  const start = (setupSectors + 1) * 512 + file.readUInt32LE(0x248);
  const sizeTrailerBytes = 4;
  const payload = file.subarray(start, start + file.readUInt32LE(0x24c) - sizeTrailerBytes);
  if (payload.readUInt32BE(0) !== 0xfd377a58) {
    throw new TsrunError('VM_KERNEL_FORMAT', `Cannot unpack ${bzImage}: its payload is not xz`);
  }
  return execFileSync('xz', ['--decompress', '--stdout', '--single-stream'], {
    input: payload,
    maxBuffer: 1 << 28,
  });
}

/** Removes what earlier versions left in the cache under this prefix. */
export function dropOthers(cache: string, prefix: string, kept: string): void {
  for (const name of readdirSync(cache)) {
    if (name.startsWith(prefix) && name !== kept) rmSync(join(cache, name), { recursive: true, force: true });
  }
}

/** Fills a new directory and renames it into place when it is whole; of two at the same time one wins. */
function installInto(target: string, fill: (directory: string) => void): void {
  const directory = mkdtempSync(`${target}.new-`);
  try {
    fill(directory);
    renameSync(directory, target);
  } catch (error) {
    if (errnoOf(error) !== 'ENOTEMPTY' && errnoOf(error) !== 'EEXIST') throw error;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function onlyEntry(directory: string): string {
  const [entry] = readdirSync(directory);
  if (entry === undefined) throw new TsrunError('VM_KERNEL_FORMAT', `${directory} is empty`);
  return entry;
}

/** Runs a preparing tool to its end and returns what it printed. */
export function run(program: string, args: readonly string[], cwd?: string): string {
  try {
    return execFileSync(program, args, {
      cwd,
      encoding: 'utf8',
      maxBuffer: 1 << 26,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    throw new TsrunError('VM_PREPARE', `Cannot prepare the machine: ${said}`, {
      hint: 'scripts/packages.txt lists the packages the machine needs',
      cause: error,
    });
  }
}
